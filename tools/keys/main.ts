/** `npm run keys`: API keys by hand of the operator; how the first one is made. */

import { FlagError } from '../../core/runtime/command.ts';
import { readEnv, url } from '../../core/runtime/env.ts';
import { startTrouble } from '../../core/runtime/start-trouble.ts';
import { connect } from '../../drizzle/client.ts';
import { actorOf } from '../actor.ts';
import { HELP, type KeysFlags, parseFlags } from './flags.ts';
import { type KeyLine, runKeys } from './run.ts';

const WRONG = 2;

const anyOf = (items: string[] | null) => (items === null ? 'all' : items.join(',') || 'none');

function textOf(key: KeyLine): string {
  const ends = key.revokedAt ? `revoked ${key.revokedAt}` : `expires ${key.expiresAt ?? 'never'}`;
  const parts = [`orgs ${anyOf(key.orgs)}`, `scopes ${anyOf(key.scopes)}`, ends];
  return `${key.id}  ${key.name}  (${parts.join('; ')}; last used ${key.lastUsedAt ?? 'never'})`;
}

async function run(flags: KeysFlags): Promise<void> {
  const shape = { DATABASE_ADMIN_URL: url('postgres', 'postgresql') };
  const { DATABASE_ADMIN_URL: adminUrl } = readEnv(shape, process.env);
  const database = connect(adminUrl, { connections: 1, name: 'keys', scope: 'installation' });
  try {
    const keys = await runKeys(database.db, flags, actorOf('operator'), Date.now());
    if (flags.isJson) {
      console.log(JSON.stringify(flags.kind === 'list' ? keys : keys[0], null, 1));
      return;
    }
    for (const key of keys) {
      // Standard output has the secret alone, to be taken over by a pipe.
      if (key.secret === undefined) console.log(textOf(key));
      else {
        console.error(`taximeter: ${textOf(key)}\ntaximeter: its secret, this once:`);
        console.log(key.secret);
      }
    }
  } finally {
    await database.stop();
  }
}

process.stdout.on('error', () => {});
process.stderr.on('error', () => {});
try {
  const flags = parseFlags(process.argv.slice(2));
  if (flags === 'help') console.log(HELP);
  else await run(flags);
} catch (error) {
  const isExpected = error instanceof FlagError;
  console.error(`taximeter: ${isExpected ? error.message : startTrouble(error)}`);
  process.exitCode = isExpected ? WRONG : 1;
}
