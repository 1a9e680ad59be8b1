import { expect, it } from 'vitest';
import { storageCheckpointStore } from './checkpoint-store.ts';

const record = { session: 's', checkpoint: 'c', recordedMs: 1.5, savedAt: 2 };

function fakeStorage() {
  const items = new Map<string, string>();
  return {
    items,
    getItem: (key: string) => items.get(key) ?? null,
    setItem: (key: string, value: string) => void items.set(key, value),
    removeItem: (key: string) => void items.delete(key),
  };
}

it('keeps the last record under its key, until it is cleared', () => {
  const storage = fakeStorage();
  const store = storageCheckpointStore(storage, 'taximeter');
  expect(store.load()).toBeNull();
  store.save({ ...record, checkpoint: 'older' });
  store.save(record);
  expect(storageCheckpointStore(storage, 'taximeter').load()).toEqual(record);
  expect(storageCheckpointStore(storage, 'other').load()).toBeNull();
  store.clear();
  expect(storage.items.size).toBe(0);
});

it.each(['', '{', 'null', '[]', '{"session":"s"}', '{"session":1,"checkpoint":"c"}'])(
  'takes %j for nothing',
  (text) => {
    const storage = fakeStorage();
    storage.items.set('taximeter', text);
    expect(storageCheckpointStore(storage, 'taximeter').load()).toBeNull();
  },
);

it('keeps nothing, and says nothing, where storage is full or forbidden', () => {
  const forbidden = () => {
    throw new Error('SecurityError');
  };
  const store = storageCheckpointStore(
    { getItem: forbidden, setItem: forbidden, removeItem: forbidden },
    'taximeter',
  );
  store.save(record);
  store.clear();
  expect(store.load()).toBeNull();
});
