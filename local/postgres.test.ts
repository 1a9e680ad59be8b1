import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import postgres from 'postgres';
import { describe, expect, inject, it } from 'vitest';
import { startPostgres } from './postgres.ts';

const folder = () => join(inject('runFolder'), `postgres-${randomBytes(4).toString('hex')}`);

async function query<T>(url: string, text: string): Promise<T[]> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    return [...(await sql.unsafe(text))] as T[];
  } finally {
    await sql.end();
  }
}

describe('a local Postgres', () => {
  it('keeps its data over a stop, a kill -9 and a lock file that names a stranger', async () => {
    const dataDir = folder();
    const first = await startPostgres({ dataDir });
    await query(first.adminUrl, 'create table lots (ms bigint); insert into lots values (1)');
    await query(first.adminUrl, 'grant select, insert on lots to taximeter');
    await first.stop();

    const second = await startPostgres({ dataDir });
    await query(second.url, 'insert into lots values (2)');
    process.kill(second.pid, 'SIGKILL');
    expect(await second.ended).toContain('Postgres was ended by SIGKILL');
    await second.stop();
    const lock = join(dataDir, 'data/postmaster.pid');
    expect(existsSync(lock)).toBe(true);
    // The number was given to another process meanwhile: this very one.
    writeFileSync(lock, `${process.pid}\n${join(dataDir, 'data')}\n`);

    const third = await startPostgres({ dataDir });
    const rows = await query<{ sum: string }>(third.url, 'select sum(ms) from lots');
    expect(rows[0]?.sum).toBe('3');
    await third.stop();
    expect(existsSync(lock)).toBe(false);
  });

  it('gives the services a role that may do only what it is granted', async () => {
    const dataDir = folder();
    const server = await startPostgres({ dataDir, durable: false });
    await query(server.adminUrl, 'create table plans (name text)');
    await expect(query(server.url, 'select * from plans')).rejects.toThrow(/permission denied/);
    await query(server.adminUrl, 'grant insert on plans to taximeter');
    await query(server.url, "insert into plans values ('demo')");
    await expect(query(server.url, 'drop table plans')).rejects.toThrow(/must be owner/);
    await expect(query(server.url, 'create table mine (a int)')).rejects.toThrow(/permission/);
    for (const url of [server.url, server.adminUrl]) {
      const [me] = await query<{ rolsuper: boolean }>(
        url,
        'select rolsuper from pg_roles where rolname = current_user',
      );
      expect(me?.rolsuper).toBe(false);
    }
    await server.stop();
  });

  it('throws away a cluster whose making was interrupted', async () => {
    const dataDir = folder();
    mkdirSync(join(dataDir, 'data.part'), { recursive: true });
    writeFileSync(join(dataDir, 'data.part/PG_VERSION'), '18\n');
    const server = await startPostgres({ dataDir, durable: false });
    expect(await query(server.url, 'select 1 as one')).toEqual([{ one: 1 }]);
    await server.stop();
  });

  it('says what is missing when the password of existing data is gone', async () => {
    const dataDir = folder();
    mkdirSync(join(dataDir, 'data'), { recursive: true });
    await expect(startPostgres({ dataDir })).rejects.toThrow(/password is missing/);
  });

  it.skipIf(process.getuid?.() !== 0)('runs for root within a closed folder', async () => {
    const closed = folder();
    mkdirSync(closed, { recursive: true });
    chmodSync(closed, 0o700);
    const server = await startPostgres({ dataDir: join(closed, 'postgres'), durable: false });
    expect(await query(server.url, 'select 1 as one')).toEqual([{ one: 1 }]);
    await server.stop();
  });

  it.skipIf(process.getuid?.() !== 0)(
    'runs for root as "nobody" where no user can be mapped',
    async () => {
      const said: string[] = [];
      const options = {
        dataDir: folder(),
        runAs: 'nobody',
        say: (it: string) => said.push(it),
      } as const;
      const first = await startPostgres(options);
      await query(first.adminUrl, 'create table lots (ms bigint); insert into lots values (7)');
      await first.stop();
      const second = await startPostgres(options);
      expect(await query(second.adminUrl, 'select ms from lots')).toEqual([{ ms: '7' }]);
      await second.stop();
      expect(said).toHaveLength(1);
      const home = /its data are in (\/\S+)$/.exec(said[0]!)?.[1];
      expect(home).toMatch(/taximeter-\w{12}$/);
      rmSync(home!, { recursive: true });
    },
  );
});
