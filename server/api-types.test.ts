import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';

it('the types are those of the API as it is now, and nobody changed them by hand', () => {
  const checked = spawnSync(process.execPath, ['local/generate.mjs', '--check'], {
    encoding: 'utf8',
  });
  // Its own words say what to do.
  expect(checked.stderr).toBe('');
  expect(checked.status).toBe(0);
});
