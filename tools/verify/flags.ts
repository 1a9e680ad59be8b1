import { FlagError, readArgs } from '../../core/runtime/command.ts';

export interface VerifyFlags {
  /** `-`: standard input */
  file: string;
  /** a file or an address; null: none was given */
  keys: string | null;
  isJson: boolean;
}

export const HELP = `Usage: npm run verify -- FILE [--keys FILE|URL] [--json]

Checks a receipt of GET /v1/sessions/{session}/receipt, without asking the product: whether it is what
was signed, and whether it adds up. FILE has the bytes of the answer as they came; "-" reads them from
standard input. Says in words what holds and what does not.

  --keys FILE|URL  the public keys to believe, a JWKS: what GET /v1/receipt-keys answers, kept in a
                   file or asked for now. Without them the signature is not checked, and nothing holds
  --json           the verdict as JSON on standard output
  --help           show this

The exit code is 0 when all of it holds, else 1.`;

/** @throws FlagError */
export function parseFlags(args: readonly string[]): VerifyFlags | 'help' {
  const options = {
    keys: { type: 'string' },
    json: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  } as const;
  const { values, positionals } = readArgs({
    args: [...args],
    options,
    strict: true,
    allowPositionals: true,
  });
  if (values.help === true) return 'help';
  const [file, ...others] = positionals;
  if (file === undefined || others.length > 0) {
    throw new FlagError(
      `One FILE is checked at a time, and ${positionals.length} are given. See --help.`,
    );
  }
  return { file, keys: values.keys ?? null, isJson: values.json === true };
}
