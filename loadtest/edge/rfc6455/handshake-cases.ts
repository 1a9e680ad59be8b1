/** The opening handshake: section 4 of RFC 6455. Who breaks it is told by HTTP, before any upgrade. */
import { SUBPROTOCOL } from '../../../core/protocol/messages.ts';
import { CONNECT_PATH, handshake, type Lines } from '../raw/handshake.ts';
import type { Case, Outcome } from './case.ts';

const key = (bytes: number) => Buffer.alloc(bytes, 7).toString('base64');
const line = (request: string, changes: Lines = {}) => handshake(changes, request);

type Row = readonly [name: string, request: string, outcome: Outcome | readonly Outcome[]];
const of = (section: string, rows: readonly Row[], more: Partial<Case> = {}): Case[] =>
  rows.map(([name, request, outcome]) => ({ name, section, handshake: request, outcome, ...more }));

const right = (section: string, rows: readonly (readonly [string, Lines])[]): Case[] =>
  of(
    section,
    rows.map(([name, changes]) => [name, handshake(changes), 'upgraded'] as const),
  );
const wrong = (section: string, rows: readonly (readonly [string, Lines])[]): Case[] =>
  of(
    section,
    rows.map(([name, changes]) => [name, handshake(changes), 'refused 400'] as const),
  );

const REQUEST_LINES = of('4.2.1', [
  ['GET', line(`GET ${CONNECT_PATH} HTTP/1.1`), 'upgraded'],
  ['GET with a query', line(`GET ${CONNECT_PATH}?a=1 HTTP/1.1`), 'upgraded'],
  ['GET of another path', line('GET /v1/other HTTP/1.1'), 'refused 404'],
  ['GET of a path below it', line(`GET ${CONNECT_PATH}/more HTTP/1.1`), 'refused 404'],
  ['GET of its path in capitals', line('GET /V1/CONNECT HTTP/1.1'), 'refused 404'],
  ['GET with dots in its path', line('GET /v1/../v1/connect HTTP/1.1'), 'refused 404'],
  ['GET with an escape in its path', line('GET /v1/conn%65ct HTTP/1.1'), 'refused 404'],
]);

const METHODS: Case[] = ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'].map((method) => ({
  name: `${method} with all that belongs to an upgrade`,
  section: '4.2.1',
  handshake: line(`${method} ${CONNECT_PATH} HTTP/1.1`, { 'Content-Length': '0' }),
  outcome: ['refused 400', 'refused 405', 'refused 204', 'refused 401', 'refused 403'],
}));

const UPGRADE = [
  ...right('4.2.1', [
    ['Upgrade: WebSocket, in capitals', { Upgrade: 'WebSocket' }],
    ['Upgrade: WEBSOCKET', { Upgrade: 'WEBSOCKET' }],
    ['Connection: upgrade, in small letters', { Connection: 'upgrade' }],
    ['Connection: keep-alive, Upgrade', { Connection: 'keep-alive, Upgrade' }],
    ['Connection: Upgrade, keep-alive', { Connection: 'Upgrade, keep-alive' }],
    ['header names in small letters', { Upgrade: null, upgrade: 'websocket' }],
    ['blanks around a value', { Upgrade: ' \t websocket \t ' }],
    [
      'a browser’s other headers',
      { 'User-Agent': 'x', 'Cache-Control': 'no-cache', Pragma: 'no-cache' },
    ],
    ['a cookie', { Cookie: 'a=1; b=2' }],
    ['cookies of 12 KB', { Cookie: `a=${'x'.repeat(12_000)}` }],
    ['an empty header', { 'X-Empty': '' }],
  ]),
  ...of('4.2.1', [
    ['no Upgrade', handshake({ Upgrade: null }), ['refused 426', 'refused 400']],
    ['Upgrade: h2c', handshake({ Upgrade: 'h2c' }), ['refused 400', 'refused 426']],
  ]),
];

const KEYS = [
  ...right('4.2.1', [
    ['a key of 16 zero bytes', { 'Sec-WebSocket-Key': Buffer.alloc(16).toString('base64') }],
    ['a key with + and /', { 'Sec-WebSocket-Key': '+/+/+/+/+/+/+/+/+/+/+w==' }],
  ]),
  ...wrong('4.2.1', [
    ['no key', { 'Sec-WebSocket-Key': null }],
    ['an empty key', { 'Sec-WebSocket-Key': '' }],
    ['a key of 8 bytes', { 'Sec-WebSocket-Key': key(8) }],
    ['a key of 15 bytes', { 'Sec-WebSocket-Key': key(15) }],
    ['a key of 17 bytes', { 'Sec-WebSocket-Key': key(17) }],
    ['a key of 32 bytes', { 'Sec-WebSocket-Key': key(32) }],
    ['a key that is no base64', { 'Sec-WebSocket-Key': '!!!!!!!!!!!!!!!!!!!!!!==' }],
    ['a key in the alphabet of URLs', { 'Sec-WebSocket-Key': '-_-_-_-_-_-_-_-_-_-_-w==' }],
    ['a key without its padding', { 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ' }],
  ]),
  {
    name: 'two keys',
    section: '11.3.1',
    handshake: handshake({ 'Sec-WebSocket-Key': [key(16), key(16)] }),
    outcome: 'refused 400',
    differs: {
      uws: { outcome: 'upgraded', why: 'it reads the first of two headers and never the second' },
    },
  } satisfies Case,
];

const VERSIONS = wrong(
  '4.4',
  ['', '0', '7', '8', '12', '14', '255', '130', '013', '13.0', 'x', '13, 8', '-13', '13;'].map(
    (version) => [`version "${version}"`, { 'Sec-WebSocket-Version': version }] as const,
  ),
).concat(wrong('4.4', [['no version', { 'Sec-WebSocket-Version': null }]]));

const protocol = (value: string | string[] | null): Lines => ({ 'Sec-WebSocket-Protocol': value });
const PROTOCOLS = [
  ...right('4.2.2', [
    ['ours and another subprotocol', protocol(`${SUBPROTOCOL}, other`)],
    ['another subprotocol and ours', protocol(`other, ${SUBPROTOCOL}`)],
    ['ours without a blank behind the comma', protocol(`other,${SUBPROTOCOL}`)],
    ['a ticket beside ours', protocol(`${SUBPROTOCOL}, ticket.a.b.c`)],
    [
      'ours among twenty',
      protocol(
        [...Array(20).keys()]
          .map((i) => `p${i}`)
          .concat(SUBPROTOCOL)
          .join(', '),
      ),
    ],
  ]),
  ...wrong('4.2.2', [
    ['no subprotocol', protocol(null)],
    ['an empty subprotocol', protocol('')],
    ['another subprotocol', protocol('chat')],
    ['ours in capitals', protocol(SUBPROTOCOL.toUpperCase())],
    ['one that begins like ours', protocol(`${SUBPROTOCOL}0`)],
    ['one that ends like ours', protocol(`x${SUBPROTOCOL}`)],
    ['a ticket alone', protocol('ticket.a.b.c')],
  ]),
];

const ORIGINS = [
  ...right('4.2.2', [
    ['an origin on the list', { Origin: 'https://app.example' }],
    ['an origin of this machine, in development', { Origin: 'http://localhost:3000' }],
  ]),
  ...of(
    '10.2',
    [
      'https://evil.example',
      'http://app.example',
      'https://app.example:444',
      'https://app.example.evil.example',
      'https://app.example/',
      'HTTPS://APP.EXAMPLE',
      'null',
      'https://app.example https://evil.example',
      'file://',
    ].map((it) => [`the origin ${it}`, handshake({ Origin: it }), 'refused 403'] as const),
  ),
];

const OFFERS = right(
  '9.1',
  [
    'permessage-deflate',
    'permessage-deflate; client_max_window_bits',
    'permessage-deflate; server_max_window_bits=10',
    'permessage-deflate; client_max_window_bits=15; server_no_context_takeover',
    'permessage-deflate; server_no_context_takeover; client_no_context_takeover',
    'permessage-deflate, permessage-deflate; client_max_window_bits',
    'permessage-deflate; client_max_window_bits=7',
    'permessage-deflate; client_max_window_bits=16',
    'permessage-deflate; a=b; a=c',
    'permessage-deflate; client_max_window_bits="10"',
    'permessage-bzip2',
    'x-webkit-deflate-frame',
    'mux; max-channels=4; flow-control, deflate-stream',
    'no such thing at all; = ,;',
    '',
  ].map(
    (offer) =>
      [`the offer "${offer}" is not taken`, { 'Sec-WebSocket-Extensions': offer }] as const,
  ),
);

const HTTP = of('4.2.1', [
  [
    'no HTTP at all',
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n',
    ['refused 400', 'refused 505', 'cut'],
  ],
  ['a header of 20 KB', handshake({ Cookie: 'x'.repeat(20_000) }), ['refused 431', 'cut']],
  [
    'a header without a colon',
    handshake().replace('Upgrade: w', 'Upgrade w'),
    ['refused 400', 'cut'],
  ],
  ['a blank before a colon', handshake().replace('Upgrade:', 'Upgrade :'), ['refused 400', 'cut']],
  ['a NUL in a header', handshake({ 'X-Nul': 'a\0b' }), ['refused 400', 'cut']],
  ['a request that is not whole', handshake().slice(0, -2), 'silent'],
  ['a request line alone', `GET ${CONNECT_PATH} HTTP/1.1\r\n`, 'silent'],
  ['no byte', '', 'silent'],
]);

export const HANDSHAKE_CASES: readonly Case[] = [
  ...[...REQUEST_LINES, ...METHODS, ...UPGRADE, ...KEYS, ...VERSIONS, ...PROTOCOLS],
  ...[...ORIGINS, ...OFFERS, ...HTTP],
];
