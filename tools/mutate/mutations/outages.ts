/** A store that is away (rule 24): what the plan forgives, and what the spool keeps. */
import type { Mutation } from '../mutation.ts';

export const OUTAGES: readonly Mutation[] = [
  {
    name: 'forgiven-by-the-plan-only',
    rule: 'rule 24',
    unguarded: 'an outage is free for everybody',
    file: 'gateway/claim.ts',
    text: "limits.outageTime === 'forgive' && ",
    replacement: '',
    tests: ['gateway/outage-policy.test.ts'],
  },
  {
    name: 'forgiven-is-not-charged',
    rule: 'rule 24',
    unguarded: 'the first word after an outage charges what the plan forgives',
    file: 'gateway/claim.ts',
    text: 'return isForgiven(session) ? session.acknowledged.totalMs : provenMs(session, speed);',
    replacement: 'return provenMs(session, speed);',
    tests: ['gateway/outage-policy.test.ts'],
  },
  {
    name: 'forgiven-by-its-owner-only',
    rule: 'rule 24',
    unguarded: 'late proofs of a former owner are forgiven twice',
    file: 'gateway/claim.ts',
    text: " && phase.kind !== 'elsewhere'",
    replacement: '',
    tests: ['gateway/outage-policy.test.ts'],
  },
  {
    name: 'spool-seal',
    rule: 'rule 24',
    unguarded: 'a line of the spool that somebody changed is charged',
    file: 'gateway/spool/line.ts',
    text: 'if (!macs.some((it) => it.fits(',
    replacement: 'if (!macs.some((it) => true || it.fits(',
    tests: ['gateway/spool/lines.test.ts'],
  },
  {
    name: 'spool-newest-line',
    rule: 'rule 24',
    unguarded: 'an older line of the spool takes time back',
    file: 'gateway/spool/restore.ts',
    text: 'if (known && !isNewer(line.epoch, known.epoch) && known.totalMs > line.totalMs) continue;',
    replacement: '',
    tests: ['gateway/spool/lines.test.ts'],
  },
  {
    name: 'spool-told-end-stands',
    rule: 'rule 24',
    unguarded: 'a session is raised by the spool after its recorder was told its end',
    file: 'gateway/spool/restore.ts',
    text: "if (reply.session.state === 'ended') return true;",
    replacement: '',
    tests: ['gateway/spool/restore.test.ts'],
  },
];
