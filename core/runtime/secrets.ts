/** Secrets as a production start takes them: long, one purpose each, and not known to everybody. */

export const MIN_SECRET_CHARACTERS = 32;
/** Known to everybody: only for development. */
export const DEVELOPMENT_SECRET = 'taximeter-development-secret-not-for-production';
/** Those of docker-compose.yml, which is for trying out. */
const PUBLISHED_PASSWORDS: readonly string[] = [
  'taximeter',
  'taximeter-worker',
  'taximeter-owner',
  'postgres',
];

/** The first one signs, all of them verify: to rotate, put a new one first and drop the last later. */
export function secretsOf(
  name: string,
  given: readonly string[],
  development: boolean,
): [string, ...string[]] {
  const known = given.length === 0 && development ? [DEVELOPMENT_SECRET] : given;
  const [first, ...others] = known;
  if (first === undefined) {
    throw new Error(
      `${name} is not set: give one or more secrets of ${MIN_SECRET_CHARACTERS} characters or more, ` +
        'with commas between them, the present one first. (DEVELOPMENT=1 does without.)',
    );
  }
  for (const secret of known) {
    if (secret.length < MIN_SECRET_CHARACTERS) {
      throw new Error(
        `${name}: a secret needs ${MIN_SECRET_CHARACTERS} characters, and one has ${secret.length}.`,
      );
    }
    if (secret === DEVELOPMENT_SECRET && !development) {
      throw new Error(`${name} is the one for development, which everybody knows. Set your own.`);
    }
  }
  return [first, ...others];
}

/**
 * One secret for two purposes makes whoever may read the one able to forge the other.
 * @throws Error that names the two variables
 */
export function refuseShared(
  purposes: readonly (readonly [name: string, secrets: readonly string[]])[],
  development: boolean,
): void {
  if (development) return;
  const seen = new Map<string, string>();
  for (const [name, secrets] of purposes) {
    for (const secret of secrets) {
      const other = seen.get(secret);
      if (other !== undefined && other !== name) {
        throw new Error(
          `${name} and ${other} have a secret in common. Give each secrets of its own.`,
        );
      }
      seen.set(secret, name);
    }
  }
}

/** @throws Error where the database is guarded by a password that everybody can read */
export function refusePublishedPassword(databaseUrl: string, development: boolean): void {
  const password = decodeURIComponent(new URL(databaseUrl).password);
  if (development || !PUBLISHED_PASSWORDS.includes(password)) return;
  throw new Error(
    'The password in DATABASE_URL is the one of docker-compose.yml, which everybody knows. ' +
      'Set TAXIMETER_PASSWORD, TAXIMETER_WORKER_PASSWORD and POSTGRES_PASSWORD, or give the role your own.',
  );
}
