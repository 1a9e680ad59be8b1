import { ticketEndpoint } from 'taximeter/next';
import { who } from '../../../lib/sign-in.ts';
import { taximeter } from '../../../lib/taximeter.ts';

// A recorder connects with this; what it records is metered there, not here.
export const POST = ticketEndpoint({ taximeter, who });
