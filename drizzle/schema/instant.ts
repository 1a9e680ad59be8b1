import { customType } from 'drizzle-orm/pg-core';

/** A `timestamptz` that is an epoch millisecond in the code, like every instant of ours. */
export const instant = customType<{ data: number; driverData: string }>({
  dataType: () => 'timestamp with time zone',
  fromDriver(text) {
    const at = Date.parse(text);
    if (Number.isNaN(at)) throw new Error(`Not an instant from the database: "${text}"`);
    return at;
  },
  toDriver: (at) => new Date(at).toISOString(),
});
