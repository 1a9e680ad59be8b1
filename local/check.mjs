// `npm run check`: types, format and lint, and the rules of the house. One line each.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const HELP = `Usage: npm run check

  types    the compiler, without writing anything
  style    Biome: format and lint ("npx biome check --write" repairs most of it)
  house    the rules of ARCHITECTURE.md as a test (core/house.test.ts)
Exits with 1 when any of them fails.
  --help   show this`;

const args = process.argv.slice(2);
if (args.includes('--help')) {
  console.log(HELP);
  process.exit(0);
}
if (args[0] !== undefined) {
  console.error(`taximeter: "${args[0]}" is not a flag of this command; see --help.`);
  process.exit(1);
}

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const CHECKS = [
  { name: 'types', tool: 'typescript/bin/tsc', args: ['--noEmit'] },
  { name: 'style', tool: '@biomejs/biome/bin/biome', args: ['check', '.'] },
  { name: 'house', tool: 'vitest/vitest.mjs', args: ['run', 'core/house.test.ts'] },
];

let failed = 0;
for (const check of CHECKS) {
  const result = spawnSync(
    process.execPath,
    [join(root, 'node_modules', check.tool), ...check.args],
    // The house test reads files only; it needs no stores.
    { cwd: root, encoding: 'utf8', env: { ...process.env, TAXIMETER_TEST_STORES: 'none' } },
  );
  if (result.status === 0) {
    console.log(`check ${check.name}: ok`);
    continue;
  }
  failed += 1;
  console.log(`${result.stdout ?? ''}${result.stderr ?? ''}`.trimEnd());
  console.log(`check ${check.name}: failed`);
}
console.log(failed === 0 ? 'check: all ok' : `check: ${failed} of ${CHECKS.length} failed`);
process.exit(failed === 0 ? 0 : 1);
