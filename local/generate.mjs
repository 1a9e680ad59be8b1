// `npm run generate`: makes server/api.d.mts from the API document, which is made from the schemas
// that check requests. The tool needs a TypeScript of its own, so it is installed apart from the
// project's packages, the first time it is used.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { staleReason } from './install.mjs';

const HELP = `Usage: npm run generate [-- --check]

Writes server/api.d.mts: the types of the HTTP API, for the server's client.
  --check   only say whether it is what the API is now; exits with 1 when it is not
  --help    show this`;

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const target = join(root, 'server/api.d.mts');
const toolSource = join(root, 'local/openapi-types');
const tool = join(root, '.taximeter/tools/openapi-types');

function fail(sentence) {
  console.error(`taximeter: ${sentence}`);
  process.exit(1);
}

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, encoding: 'utf8', ...options });
  if (result.status === 0) return result.stdout;
  fail(`${args[0]} failed:\n${result.stdout ?? ''}${result.stderr ?? ''}${result.error ?? ''}`);
}

const sha = (text) => createHash('sha256').update(text).digest('hex').slice(0, 32);

/** The head says what the file was made from and what it held, so that a check needs no tool. */
const headOf = (document, text) =>
  `// Made by "npm run generate": do not edit. API ${sha(document)}, types ${sha(text)}\n`;

function check(document) {
  const again = 'run "npm run generate" and commit what it writes.';
  if (!existsSync(target)) fail(`server/api.d.mts is missing: ${again}`);
  const written = readFileSync(target, 'utf8');
  const text = written.slice(written.indexOf('\n') + 1);
  if (!written.includes(`API ${sha(document)},`)) {
    fail(`server/api.d.mts is not what the API is now: ${again}`);
  }
  if (!written.startsWith(headOf(document, text))) {
    fail(`server/api.d.mts was changed by hand: ${again}`);
  }
}

function installTool() {
  mkdirSync(tool, { recursive: true });
  for (const name of ['package.json', 'package-lock.json']) {
    copyFileSync(join(toolSource, name), join(tool, name));
  }
  if (staleReason(tool) === null) return;
  console.log('taximeter: installing openapi-typescript ...');
  const args = ['ci', '--prefer-offline', '--no-audit', '--no-fund'];
  run('npm', args, { cwd: tool, shell: process.platform === 'win32' });
}

function generate(document) {
  installTool();
  const given = join(tool, 'openapi.json');
  writeFileSync(given, document);
  const cli = join(tool, 'node_modules/openapi-typescript/bin/cli.js');
  // A field with a default may be left out of a request.
  const flags = ['--alphabetize', '--default-non-nullable=false'];
  run(process.execPath, [cli, given, '--output', target, ...flags], { cwd: tool });
  const biome = join(root, 'node_modules/@biomejs/biome/bin/biome');
  run(process.execPath, [biome, 'check', '--write', target]);
  const text = readFileSync(target, 'utf8');
  writeFileSync(target, headOf(document, text) + text);
  console.log('taximeter: wrote server/api.d.mts');
}

const args = process.argv.slice(2);
const unknown = args.find((arg) => arg !== '--check' && arg !== '--help');
if (unknown) fail(`"${unknown}" is not a flag of this command; see --help.`);
if (args.includes('--help')) {
  console.log(HELP);
  process.exit(0);
}
const document = run(process.execPath, ['--import', 'tsx', 'gateway/http/describe.ts']);
if (args.includes('--check')) check(document);
else generate(document);
