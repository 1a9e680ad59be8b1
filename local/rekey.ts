/** `node dist/local/rekey.js`: writes all metadata with the first key, so that others can go. */
import { list, readEnv, url } from '../core/runtime/env.ts';
import { secretsOf } from '../core/runtime/secrets.ts';
import { startTrouble } from '../core/runtime/start-trouble.ts';
import { createTextCipher } from '../core/runtime/text-cipher.ts';
import { connect } from '../drizzle/client.ts';
import { rekeyMetadata } from '../drizzle/queries/rekey-metadata.ts';

const HELP = `Usage: node dist/local/rekey.js

Encrypts the metadata of all sessions and usage events with the first key: after a new key was put
first, or after the first key of all was set. It may be repeated and stopped at any time, while
gateways run.

  DATABASE_URL   address of the database, as workers log in
  METADATA_KEYS  as the gateways have it: the new key first, the old ones behind it`;

async function run(): Promise<void> {
  const shape = { DATABASE_URL: url('postgres', 'postgresql'), METADATA_KEYS: list() };
  const { DATABASE_URL, METADATA_KEYS } = readEnv(shape, process.env);
  secretsOf('METADATA_KEYS', METADATA_KEYS, false);
  const database = connect(DATABASE_URL, {
    ...{ connections: 1, name: 'taximeter-rekey' },
    scope: 'worker',
  });
  try {
    const done = await rekeyMetadata(database.db, createTextCipher(METADATA_KEYS));
    console.log(`taximeter: ${done.written} written anew, ${done.unreadable} can't be read`);
    if (done.unreadable > 0) process.exitCode = 1;
  } finally {
    await database.stop();
  }
}

if (process.argv.includes('--help')) {
  console.log(HELP);
} else {
  await run().catch((error: unknown) => {
    console.error(`taximeter: ${startTrouble(error)}`);
    process.exitCode = 1;
  });
}
