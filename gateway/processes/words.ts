/** What the processes of one gateway port say to each other. Plain JSON, over Node's own channel. */

/** As on the operations port; of `/metrics` the answer is JSON, so that it can be joined. */
export type AskPath = '/healthz' | '/readyz' | '/metrics';

export type WordToChild =
  | { type: 'ask'; id: number; path: AskPath }
  /** with it goes the connection; none of its bytes was read */
  | { type: 'connection' }
  /** by word and not by signal: a terminal's Ctrl-C reaches all, and a second signal means "at once" */
  | { type: 'stop'; reason: string };

export type WordFromChild =
  | { type: 'serves' }
  /** Said before a byte is read. Not taken: it takes none any more, and this one is for another. */
  | { type: 'connection'; isTaken: boolean }
  | { type: 'answer'; id: number; status: number; body: string };
