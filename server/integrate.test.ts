/** The code of docs/integrate.md and of the examples is code: the compiler reads it as it stands. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';

const ROOT = process.cwd();
/** Within the project, so that its packages are found. */
const FOLDER = join(ROOT, '.taximeter', `integrate-${process.pid}`);

const CONFIG = {
  extends: join(ROOT, 'tsconfig.json'),
  compilerOptions: {
    ...{ noEmit: true, rootDir: ROOT, allowJs: true, noImplicitAny: true },
    typeRoots: [join(ROOT, 'node_modules/@types')],
    paths: {
      'taximeter/client': [join(ROOT, 'client/index.ts')],
      'taximeter/server': [join(ROOT, 'server/index.ts')],
      ...Object.fromEntries(
        ['express', 'hono', 'next'].map((name) => [
          `taximeter/${name}`,
          [join(ROOT, `server/${name}.ts`)],
        ]),
      ),
    },
  },
  include: ['**/*.ts'],
};

/** Code blocks of a page by the file they say they are. */
function blocksOf(page: string): [file: string, code: string][] {
  const blocks = readFileSync(join(ROOT, page), 'utf8').matchAll(/^```ts(.*)\n([\s\S]*?)^```$/gm);
  return [...blocks].map(([, head, code]) => [/ file=(\S+)/.exec(head!)?.[1] ?? '', code!]);
}

function compile(): string {
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
  const { stdout, status } = spawnSync(process.execPath, [compiler, '-p', FOLDER], {
    encoding: 'utf8',
  });
  return status === 0 ? '' : stdout;
}

const blocks = blocksOf('docs/integrate.md');
beforeAll(() => {
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(join(FOLDER, 'tsconfig.json'), JSON.stringify(CONFIG));
  for (const [file, code] of blocks) {
    mkdirSync(dirname(join(FOLDER, 'docs', file)), { recursive: true });
    writeFileSync(join(FOLDER, 'docs', file), code);
  }
  for (const part of ['lib', 'app/api']) {
    cpSync(join(ROOT, 'examples/nextjs', part), join(FOLDER, 'nextjs', part), { recursive: true });
  }
});
afterAll(() => rmSync(FOLDER, { recursive: true, force: true }));

it('every code block says which file it is', () => {
  expect(blocks.length).toBeGreaterThan(8);
  expect(blocks.filter(([file]) => file === '')).toEqual([]);
});

it('what the page and the examples say compiles', () => {
  expect(compile()).toBe('');
});

it('would not, if a name in it were wrong', () => {
  const file = join(FOLDER, 'docs/taximeter.ts');
  const right = readFileSync(file, 'utf8');
  writeFileSync(file, right.replace('apiKey', 'key'));
  expect(compile()).toMatch(/docs\/taximeter\.ts/);
  writeFileSync(file, right);
});
