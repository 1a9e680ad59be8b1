import { z } from 'zod';
import { addressesOf } from './redis-address.ts';

/**
 * Configuration comes from environment variables alone and is read once, in a process' `main.ts`.
 * Each builder below makes the schema of one variable from its text; `.default(...)` makes it
 * optional.
 */

/** An empty variable counts as one that is not set: that is how compose files leave things out. */
export type Environment = Readonly<Record<string, string | undefined>>;

const SECRET_NAME = /SECRET|KEY|PASSWORD|TOKEN|URL/;

/** A whole number within bounds, both included. */
export function integer(minimum: number, maximum: number) {
  return z.string().transform((text, context) => {
    const value = Number(text);
    if (/^-?\d+$/.test(text) && value >= minimum && value <= maximum) return value;
    context.addIssue({
      code: 'custom',
      message: `must be a whole number from ${minimum} to ${maximum}`,
    });
    return z.NEVER;
  });
}

/** A number above 0 that may have a fraction. */
export function positiveNumber(maximum: number) {
  return z.string().transform((text, context) => {
    const value = Number(text);
    if (text.trim() !== '' && value > 0 && value <= maximum) return value;
    context.addIssue({ code: 'custom', message: `must be a number above 0, up to ${maximum}` });
    return z.NEVER;
  });
}

/** A TCP port; 0 lets the system choose. */
export const port = () => integer(0, 65_535);

/** `1`, `true` or `yes`; `0`, `false` or `no`. */
export function flag() {
  return z.string().transform((text, context) => {
    if (/^(1|true|yes)$/i.test(text)) return true;
    if (/^(0|false|no)$/i.test(text)) return false;
    context.addIssue({ code: 'custom', message: 'must be 1 or 0' });
    return z.NEVER;
  });
}

/** Values with commas between them; blanks around a value don't count. */
export function list() {
  return z.string().transform((text) =>
    text
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== ''),
  );
}

/** An address with one of these schemes, like `redis` or `postgres`. */
export function url(...schemes: [string, ...string[]]) {
  return z
    .string()
    .refine((text) => URL.canParse(text) && schemes.includes(new URL(text).protocol.slice(0, -1)), {
      message: `must be an address that begins with ${schemes.map((it) => `${it}://`).join(' or ')}`,
    });
}

/** Such addresses with commas between them, as text; see core/runtime/redis-address.ts. */
export function urls(...schemes: [string, ...string[]]) {
  const one = url(...schemes);
  const each = `must be an address that begins with ${schemes.map((it) => `${it}://`).join(' or ')}`;
  return z.string().refine(
    (text) => {
      const addresses = addressesOf(text);
      return addresses.length > 0 && addresses.every((address) => one.safeParse(address).success);
    },
    { message: `${each}, or several with commas between them` },
  );
}

/** Everything that is wrong with the configuration, a line each. */
export class ConfigurationError extends Error {
  override name = 'ConfigurationError';
}

function describe(issue: z.core.$ZodIssue, env: Environment): string {
  const name = issue.path.map(String).join('.');
  const value = env[name];
  if (value === undefined || value === '') return `${name} is not set: ${issue.message}`;
  // The name decides, not the value: an address may carry a password.
  const shown = SECRET_NAME.test(name) ? 'what is set' : `"${value}"`;
  return `${name}: ${shown} ${issue.message}`;
}

/**
 * Reads the variables that `shape` names.
 * @throws ConfigurationError that lists all that is wrong, not only the first.
 */
export function readEnv<Shape extends z.ZodRawShape>(
  shape: Shape,
  env: Environment,
): z.infer<z.ZodObject<Shape>> {
  const given: Record<string, string> = {};
  for (const name of Object.keys(shape)) {
    const value = env[name];
    if (value !== undefined && value !== '') given[name] = value;
  }
  const result = z.object(shape).safeParse(given, {
    error: (issue) => (issue.input === undefined ? 'it is needed' : undefined),
  });
  if (result.success) return result.data;
  const lines = result.error.issues.map((issue) => `  ${describe(issue, env)}`);
  throw new ConfigurationError(`The configuration can't be used:\n${lines.join('\n')}`);
}
