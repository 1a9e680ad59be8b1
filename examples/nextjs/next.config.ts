import { join } from 'node:path';
import type { NextConfig } from 'next';

const config: NextConfig = {
  // The package is linked from above this folder. From the registry this line is not needed.
  turbopack: { root: join(import.meta.dirname, '../..') },
};
export default config;
