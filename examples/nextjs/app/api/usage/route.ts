import { who } from '../../../lib/sign-in.ts';
import { taximeter } from '../../../lib/taximeter.ts';

export async function GET(request: Request): Promise<Response> {
  const asking = who(request);
  if (asking === null) return Response.json({ detail: 'Sign up first.' }, { status: 401 });
  const { org, user } = asking;
  const [ofAll, own] = await Promise.all([taximeter.usage(org), taximeter.usage(org, { user })]);
  return Response.json({ ofAll, own });
}
