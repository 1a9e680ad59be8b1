import { expect, it } from 'vitest';
import { loadUws } from './load-uws.ts';

it('says what to install where uWebSockets.js is missing or made for another system', async () => {
  const missing = Object.assign(new Error("Cannot find package 'uWebSockets.js' imported from x"), {
    code: 'ERR_MODULE_NOT_FOUND',
  });
  const other = new Error(
    'This version of uWS.js supports only Node.js versions 20 and 22 on (glibc) Linux.\n\n' +
      "Error: /lib/libc.so.6: version `GLIBC_2.38' not found\nRequire stack:\n- /app/uws.js",
  );
  const told = (error: Error) => loadUws(() => Promise.reject(error)).catch((thrown) => thrown);
  const message = (await told(missing)).message as string;
  expect(message).toContain("Cannot find package 'uWebSockets.js'");
  expect(message).toContain('npm install');
  expect(message).toContain('TRANSPORT=ws');
  expect(message).toContain(process.version);
  const { message: wrongSystem, cause } = await told(other);
  expect(wrongSystem).toContain("(/lib/libc.so.6: version `GLIBC_2.38' not found)");
  expect(cause).toBe(other);
});
