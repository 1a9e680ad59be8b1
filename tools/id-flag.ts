import { FlagError } from '../core/runtime/command.ts';

const ID = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;

/** null: it was not given. @throws FlagError */
export function idFlag(flag: string, value: string | undefined): string | null {
  if (value === undefined) return null;
  if (ID.test(value)) return value;
  throw new FlagError(`--${flag} must be an id (letters, digits, ". _ : -"), and is "${value}".`);
}
