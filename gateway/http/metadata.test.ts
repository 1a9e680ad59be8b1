/** What a recorder says of its session: kept encrypted where a key is set, shown to who may see it. */
import { eq, sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTextCipher } from '../../core/runtime/text-cipher.ts';
import { rekeyMetadata } from '../../drizzle/queries/rekey-metadata.ts';
import { sessionMetadata } from '../../drizzle/schema/sessions.ts';
import { makeTestAccount } from '../../local/test-account.ts';
import { createSessionMetadata, type SessionMetadata } from '../session-metadata.ts';
import { startTestHttp, type TestHttp } from './test-http.ts';

const [OLD, NEW] = ['old-key-'.repeat(4), 'new-key-'.repeat(4)];
const ROOM = { room: 'Blue room 7', patient: 'Größe' };

let http: TestHttp;
let org: string;
beforeAll(async () => {
  http = await startTestHttp();
  ({ org } = await makeTestAccount(http.db));
});
afterAll(() => http.stop());

const withKeys = (...keys: string[]) =>
  createSessionMetadata({
    ...{ tenants: http.deps.db, log: http.deps.log },
    cipher: createTextCipher(keys),
  });
const shownBy = async (metadata: SessionMetadata, session: string, as?: string) =>
  http.with({ metadata })(
    'GET',
    `/v1/sessions/${session}?org=${org}`,
    undefined,
    as === undefined ? {} : { as },
  );

let next = 0;
/** Of a session that records, kept under these keys. */
async function keep(...keys: string[]): Promise<string> {
  const session = `s${next++}`;
  await http.record(org, 'ann', session);
  const metadata = withKeys(...keys);
  metadata.keep(org, session, ROOM);
  await metadata.stop();
  return session;
}
async function stored(session: string): Promise<string | undefined> {
  const rows = await http.db
    .select()
    .from(sessionMetadata)
    .where(eq(sessionMetadata.session, session));
  return rows[0]?.value;
}

describe('metadata of a session', () => {
  it('are not readable in the database, and are shown with the session', async () => {
    const session = await keep(NEW);
    expect(await stored(session)).toMatch(/^aes1:/);
    expect(await stored(session)).not.toMatch(/room|Blue/);
    const shown = await shownBy(withKeys(NEW), session);
    expect(shown.status).toBe(200);
    expect(shown.body).toMatchObject({ metadata: ROOM, metadataProblem: null });
    const member = await http.ticket(org, 'ann');
    expect((await shownBy(withKeys(NEW), session, member)).body.metadata).toEqual(ROOM);
    const other = await http.ticket(org, 'bob');
    expect((await shownBy(withKeys(NEW), session, other)).status).toBe(404);
  });

  it('are kept as they are without a key', async () => {
    const session = await keep();
    expect(JSON.parse((await stored(session))!)).toEqual(ROOM);
    expect((await shownBy(withKeys(), session)).body.metadata).toEqual(ROOM);
  });

  it('are what was said first, and null where nothing was said', async () => {
    const session = await keep(NEW);
    const metadata = withKeys(NEW);
    metadata.keep(org, session, { room: 'another' });
    metadata.keep(org, 'silent', {});
    await metadata.stop();
    expect((await shownBy(metadata, session)).body.metadata).toEqual(ROOM);
    expect(await metadata.read(org, 'silent')).toEqual({ metadata: null, problem: null });
  });

  it('whose key is gone say which, and the session is shown all the same', async () => {
    const session = await keep(OLD);
    const [, key] = (await stored(session))!.split(':');
    for (const metadata of [withKeys(NEW), withKeys()]) {
      const { status, body } = await shownBy(metadata, session);
      expect(status).toBe(200);
      expect(body).toMatchObject({ session, metadata: null });
      expect(body.metadataProblem).toContain(`the key ${key}, which is not among METADATA_KEYS`);
    }
  });

  it('that were moved to another session or organization are refused', async () => {
    const [from, to] = [await keep(NEW), await keep(NEW)];
    await http.db.execute(sql`
      update session_metadata set value = ${await stored(from)} where session = ${to}`);
    const { body } = await shownBy(withKeys(NEW), to);
    expect(body).toMatchObject({ metadata: null });
    expect(body.metadataProblem).toMatch(/altered, or belongs to another session/);
  });

  it('are written with the new key by one command, after which the old one may go', async () => {
    const sessions = [await keep(OLD), await keep(), await keep(NEW)];
    const cipher = createTextCipher([NEW, OLD]);
    const { written } = await rekeyMetadata(http.db, cipher);
    expect(written).toBeGreaterThanOrEqual(2);
    for (const session of sessions) {
      expect((await shownBy(withKeys(NEW), session)).body.metadata).toEqual(ROOM);
    }
    expect((await rekeyMetadata(http.db, cipher)).written).toBe(0);
  });
});
