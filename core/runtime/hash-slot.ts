/** Which of a cluster's slots a key lives in, as Redis itself counts it. */

export const SLOTS = 16_384;
/** CRC16 (XMODEM). */
const POLYNOMIAL = 0x1021;

function crc16(text: string): number {
  let crc = 0;
  for (const byte of new TextEncoder().encode(text)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) {
      crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ POLYNOMIAL;
    }
  }
  return crc & 0xffff;
}

/** Only what stands between the first pair of braces counts, if anything does. */
export function slotOf(key: string): number {
  const tag = /\{([^}]+)\}/.exec(key.slice(key.indexOf('{')));
  const isTagged = tag !== null && tag.index === 0;
  return crc16(isTagged ? tag[1]! : key) % SLOTS;
}
