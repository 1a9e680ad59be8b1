/**
 * Text to message and back, checked. Everything that arrives from the other end passes here first,
 * and nothing here throws: what does not fit is a `bad` message with a sentence for a person.
 * Sizes in bytes are the transport's to check (limits.ts), before the text gets here.
 */
import { checkFields, Misfit } from './fields.ts';
import type { ClientMessage, ServerMessage } from './messages.ts';
import { clientMessages, type MessageTables, serverMessages } from './tables.ts';

export interface BadMessage {
  type: 'bad';
  /** What was wrong, what belongs there, and the value that was there. */
  detail: string;
  /** A type of message that may be newer than this file: from a server it is to be ignored. */
  isUnknownType: boolean;
}

const SHOWN_CHARACTERS = 40;
function cut(content: string, characters: number): string {
  return content.length <= characters ? content : `${content.slice(0, characters)}…`;
}

/** Objects are named, not shown: they may be deep, and may hold what is no one's to read. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  return cut(JSON.stringify(value), SHOWN_CHARACTERS);
}

function bad(detail: string, isUnknownType = false): BadMessage {
  return { type: 'bad', detail, isUnknownType };
}

function decode(content: string, messages: MessageTables): unknown {
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch {
    // The parser's own words quote the text, and the text may hold a ticket.
    return bad('The message is not JSON. Send one JSON object in each text frame.');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return bad(`A message is a JSON object with a type, not ${shown(value)}.`);
  }
  const message = value as Record<string, unknown>;
  const entries = messages.get(message.type as string);
  if (entries === undefined) {
    const types = [...messages.keys()].join(', ');
    if (message.type === undefined) return bad(`The message has no type. It is one of ${types}.`);
    const detail = `${shown(message.type)} is not a type of message here. It is one of ${types}.`;
    return bad(detail, typeof message.type === 'string');
  }
  const kept = checkFields(message, entries, 1, 1);
  if (!(kept instanceof Misfit)) return kept;
  const where = cut(`${message.type}${kept.path}`, 2 * SHOWN_CHARACTERS);
  return kept.value === undefined
    ? bad(`${where} is missing: it must be ${kept.words}.`)
    : bad(`${where} must be ${kept.words}, not ${shown(kept.value)}.`);
}

/** What a recorder sent. Fast for a `beat`: nothing is allocated but what `JSON.parse` makes. */
export function decodeClientMessage(content: string): ClientMessage | BadMessage {
  return decode(content, clientMessages) as ClientMessage | BadMessage;
}

/** What a gateway sent. Names of reasons, bindings, codes and actions may be newer than this file. */
export function decodeServerMessage(content: string): ServerMessage | BadMessage {
  return decode(content, serverMessages) as ServerMessage | BadMessage;
}

export function encode(message: ClientMessage | ServerMessage): string {
  return JSON.stringify(message);
}
