/**
 * - `lost`, `doubled`: the ledger has less, or more, than the recorder was acknowledged
 * - `apart`: two books disagree about the same figure
 * - `minutes`: minute records with a hole, or one twice
 * - `overLimit`: more was billed than there was
 * - `notExact`: everybody answered the stop, and still something else than the limit was billed
 * - `unknown`: a session, or time of it, that no recorder was acknowledged
 * - `open`: not settled to its end
 * - `noEnd`: the recorder was not told how it ended
 * - `stopwatch`: the recorder's own clock is further off than a connection may cost
 * - `untold`, `falselyTold`, `early`: a warning or stop that did not come, or should not have
 * - `complaint`: the recorder was told something that the protocol rules out
 */
export type FindingKind =
  | 'lost'
  | 'doubled'
  | 'apart'
  | 'minutes'
  | 'overLimit'
  | 'notExact'
  | 'unknown'
  | 'open'
  | 'noEnd'
  | 'stopwatch'
  | 'untold'
  | 'falselyTold'
  | 'early'
  | 'complaint';

/** Something that does not hold. Any of them fails the run. */
export interface Finding {
  kind: FindingKind;
  org: string;
  session: string | null;
  /** by how much, where that is a time */
  ms: number | null;
  detail: string;
}
