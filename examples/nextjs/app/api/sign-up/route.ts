import { cookieFor } from '../../../lib/sign-in.ts';
import { joinTeam, makePlans } from '../../../lib/taximeter.ts';

export async function POST(request: Request): Promise<Response> {
  const { org, user } = await request.json();
  await makePlans();
  await joinTeam(org, user);
  const headers = { 'set-cookie': cookieFor({ org, user }) };
  return Response.json({ org, user }, { status: 201, headers });
}
