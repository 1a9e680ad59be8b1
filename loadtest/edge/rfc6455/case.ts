/** One case of RFC 6455: what is sent, and what must come of it by the section that says so. */
export type TransportName = 'ws' | 'uws';

/**
 * - `upgraded`: 101 with the right key, our subprotocol and no extension
 * - `refused N`: HTTP status N, no upgrade
 * - `close N`: a close frame with code N (1005: without one), then the end
 * - `cut`: the end without a close frame (section 7.1.7 allows it: a close frame is a SHOULD there)
 * - `open`: it answers pings still
 * - `silent`: it waits for the rest, and has not closed
 */
export type Outcome =
  | 'upgraded'
  | 'cut'
  | 'open'
  | 'silent'
  | `refused ${number}`
  | `close ${number}`;

export interface Case {
  name: string;
  /** of RFC 6455, or the name of another source */
  section: string;
  /** default: a right one */
  handshake?: string;
  /** After the upgrade, each in a write of its own; none: the handshake alone is the case. */
  sends?: readonly Uint8Array[];
  /** With the handshake in one write: before its answer. */
  isEarly?: boolean;
  outcome: Outcome | readonly Outcome[];
  /** Must be in some text that is heard. */
  hears?: string;
  /** Pongs that must be heard, in this order, before the close. */
  pongs?: readonly string[];
  /** Where a transport does something else, what, and why that is bearable. */
  differs?: Partial<Record<TransportName, { outcome: Outcome | readonly Outcome[]; why: string }>>;
}
