import { metered } from 'taximeter/next';
import { who } from '../../../lib/sign-in.ts';
import { taximeter } from '../../../lib/taximeter.ts';

// Counted by the piece, and given back where it fails.
export const POST = metered(
  { taximeter, who, feature: 'export', countOn: 'success' },
  async (request: Request) => {
    const { meeting } = await request.json();
    if (!meeting) return Response.json({ detail: 'Name a meeting.' }, { status: 422 });
    return Response.json({ file: `${meeting}.pdf` }, { status: 201 });
  },
);
