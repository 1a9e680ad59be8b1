import { who } from '../../../lib/sign-in.ts';
import { taximeter } from '../../../lib/taximeter.ts';

// Who records now goes on with the new plan, within a second.
export async function POST(request: Request): Promise<Response> {
  const asking = who(request);
  if (asking === null) return Response.json({ detail: 'Sign up first.' }, { status: 401 });
  const organization = await taximeter.organizations.get(asking.org);
  return Response.json(
    await taximeter.organizations.put(asking.org, { ...organization, plan: 'pro' }),
  );
}
