import { API_KEY_SCOPE_NAMES, API_KEY_SCOPES } from '../../core/runtime/api-key.ts';
import { FlagError, readArgs } from '../../core/runtime/command.ts';

export type KeysCommand =
  | {
      kind: 'create';
      name: string;
      /** null: all */
      orgs: string[] | null;
      scopes: string[] | null;
      expiresInDays: number | null;
    }
  | { kind: 'list' }
  | { kind: 'revoke'; id: string };
export type KeysFlags = KeysCommand & { isJson: boolean };

const MAX_DAYS = 3_650;
const MAX_NAME_CHARACTERS = 200;

export const HELP = `Usage: npm run keys -- create --name NAME [flags]
       npm run keys -- list
       npm run keys -- revoke ID

API keys of this installation, as the role that owns its tables: how the first key is made, and how one
is revoked when no key is at hand. Every change leaves an entry in audit_log. More by the API:
/v1/api-keys.

  --name NAME      create: what the key is for
  --org ID         create: only this organization; may be given several times (all)
  --scope NAME     create: only this; may be given several times (all)
${API_KEY_SCOPE_NAMES.map((name) => `                     ${name.padEnd(9)} ${API_KEY_SCOPES[name]}`).join('\n')}
  --expires DAYS   create: it ends after so many days (never)
  --json           the answer as JSON on standard output
  --help           show this

DATABASE_ADMIN_URL is the address of the database, as for the migration. The secret is written to
standard output once and is kept nowhere.`;

const ID = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;

/** Null where none was given. */
function listOf(flag: string, values: string[] | undefined, isOne: (value: string) => boolean) {
  for (const value of values ?? []) {
    if (!isOne(value)) throw new FlagError(`--${flag} can not be "${value}". See --help.`);
  }
  return values === undefined ? null : [...new Set(values)];
}

function daysOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  const days = Number(text);
  if (days > 0 && days <= MAX_DAYS) return days;
  throw new FlagError(`--expires must be a number of days up to ${MAX_DAYS}, and is "${text}".`);
}

/** @throws FlagError */
export function parseFlags(args: readonly string[]): KeysFlags | 'help' {
  const text = { type: 'string' } as const;
  const several = { type: 'string', multiple: true } as const;
  const on = { type: 'boolean' } as const;
  const options = {
    ...{ name: text, org: several, scope: several, expires: text, json: on },
    help: { type: 'boolean', short: 'h' },
  } as const;
  const { values, positionals } = readArgs({
    args: [...args],
    options,
    allowPositionals: true,
    strict: true,
  });
  if (values.help === true) return 'help';
  const isJson = values.json === true;
  const [kind, id, ...rest] = positionals;
  if (rest.length > 0) throw new FlagError(`"${rest[0]}" is one word too many. See --help.`);
  if (kind === 'list' && id === undefined) return { kind, isJson };
  if (kind === 'revoke' && id !== undefined) return { kind, id, isJson };
  if (kind !== 'create' || id !== undefined) {
    throw new FlagError('Say create, list, or revoke and the id of a key. See --help.');
  }
  const name = values.name?.trim() ?? '';
  if (name === '' || name.length > MAX_NAME_CHARACTERS) {
    throw new FlagError('create needs --name NAME, of up to 200 characters: what the key is for.');
  }
  return {
    ...{ kind, name, isJson },
    orgs: listOf('org', values.org, (value) => ID.test(value)),
    scopes: listOf('scope', values.scope, (value) => Object.hasOwn(API_KEY_SCOPES, value)),
    expiresInDays: daysOf(values.expires),
  };
}
