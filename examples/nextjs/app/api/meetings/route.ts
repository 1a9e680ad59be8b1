import { requireMinutes } from 'taximeter/next';
import { who } from '../../../lib/sign-in.ts';
import { taximeter } from '../../../lib/taximeter.ts';

// Asked before somebody sets out to record for so long; nothing is reserved.
const asks = (request: Request) => {
  const plannedMs = new URL(request.url).searchParams.get('plannedMs');
  return plannedMs === null ? {} : { plannedMs: Number(plannedMs) };
};

export const POST = requireMinutes({ taximeter, who, asks }, async () =>
  Response.json({ title: 'Meeting' }, { status: 201 }),
);
