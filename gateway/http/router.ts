import { OpenAPIHono } from '@hono/zod-openapi';
import type { Principal } from './principal.ts';
import { validationHook } from './validation.ts';

export interface HttpEnv {
  Bindings: {
    /** whence a request comes: a proxy's, where one stands before us; left out in tests */
    address?: string;
  };
  Variables: {
    /** Set by auth.ts on every route below /v1 that needs credentials. */
    principal: Principal;
  };
}

/** A router of one area: what does not fit its schemas is answered with 422 before the handler. */
export function newRouter(): OpenAPIHono<HttpEnv> {
  return new OpenAPIHono<HttpEnv>({ defaultHook: validationHook });
}
