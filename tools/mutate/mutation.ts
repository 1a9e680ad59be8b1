/** A guard taken away: one change of the text of one file, and the tests that must notice. */
export interface Mutation {
  /** lower-case words with hyphens; names it everywhere */
  name: string;
  /** the rule of core/meter/README.md, or the guard as the design names it */
  rule: string;
  /** what nobody guards any more when no test notices: the end of "Nothing notices that ..." */
  unguarded: string;
  file: string;
  /** stands in the file exactly once */
  text: string;
  replacement: string;
  /** test files that are expected to turn red */
  tests: readonly string[];
}
