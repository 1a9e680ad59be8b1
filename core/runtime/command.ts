/** A command that a person types: flags in, words or JSON on standard output, an exit code. */

import { type ParseArgsConfig, parseArgs } from 'node:util';
import type { Environment } from './env.ts';

/** The message is for a person. */
export class FlagError extends Error {
  override name = 'FlagError';
}

/** What stands behind the command, by its options. @throws FlagError for what is none of them */
export function readArgs<const Config extends ParseArgsConfig>(
  config: Config,
): ReturnType<typeof parseArgs<Config>> {
  try {
    return parseArgs(config);
  } catch (error) {
    throw new FlagError(`${error instanceof Error ? error.message : String(error)} See --help.`);
  }
}

export interface Command<Flags> {
  env: Environment;
  help: string;
  /** @throws FlagError */
  parse(args: readonly string[]): Flags | 'help';
  /** Answers the exit code. */
  run(flags: Flags): Promise<number>;
  /** The exit code of what its person can mend, and of wrong flags (1 where left out); else null. */
  codeOf?(error: unknown): number | null;
}

/** Answers the exit code; what went wrong was said. With LOG_LEVEL=debug the unexpected shows its stack. */
export async function runCommand<Flags>(command: Command<Flags>): Promise<number> {
  // A reader that has gone (`npm run doctor | head`) is no reason to fail.
  process.stdout.on('error', () => {});
  process.stderr.on('error', () => {});
  try {
    const flags = command.parse(process.argv.slice(2));
    if (flags !== 'help') return await command.run(flags);
    console.log(command.help);
    return 0;
  } catch (error) {
    console.error(`taximeter: ${error instanceof Error ? error.message : String(error)}`);
    const code = command.codeOf?.(error) ?? (error instanceof FlagError ? 1 : null);
    if (code === null && command.env.LOG_LEVEL === 'debug') console.error(error);
    return code ?? 1;
  }
}
