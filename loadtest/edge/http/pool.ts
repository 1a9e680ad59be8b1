/**
 * What answers named, kept for later requests: an id is of use together with whose it is, so what
 * stood in one answer stays together, as a scene. Nothing here is random: a pick is a number that the
 * seed made, so that the same seed asks for the same things, as far as the same things are there.
 */

/** Ids by what they are: org, session, purchase, `api-keys.id`, `cursor /v1/plans`. */
export type Scene = Readonly<Record<string, string>>;

/** Of those with the same names; the oldest makes room. */
const MAX_ALIKE = 24;
export const PICKS = 1_000;

export interface Pool {
  /** Now the newest, also if it was known. */
  learn(scene: Scene): void;
  /** One that has as many of these as any has; empty where none has one. @param pick below PICKS */
  scene(kinds: readonly string[], pick: number): Scene;
  /** One of a kind, of any scene. */
  one(kind: string, pick: number): string | undefined;
  /** One of anything else. */
  other(kind: string, pick: number): string | undefined;
}

/** The newest is taken most often: what is old is mostly over. */
const chosen = <T>(from: readonly T[], pick: number): T | undefined =>
  from[Math.floor((pick / PICKS) ** 2 * from.length)];

/** @param never what no request may be about: the key that all of them bear */
export function createPool(never: ReadonlySet<string>): Pool {
  /** the newest first */
  const alike = new Map<string, Scene[]>();
  const valuesOf = (kind: string) => [
    ...new Set([...alike.values()].flat().flatMap((scene) => scene[kind] ?? [])),
  ];
  return {
    learn(scene) {
      const names = Object.keys(scene).sort();
      if (names.length === 0 || Object.values(scene).some((value) => never.has(value))) return;
      const same = alike.get(names.join()) ?? [];
      const others = same.filter((it) => names.some((name) => it[name] !== scene[name]));
      alike.set(names.join(), [scene, ...others].slice(0, MAX_ALIKE));
    },
    scene(kinds, pick) {
      let most = 1;
      const best: Scene[] = [];
      for (const scene of [...alike.values()].flat()) {
        const count = kinds.filter((kind) => kind in scene).length;
        if (count > most) best.length = 0;
        most = Math.max(most, count);
        if (count === most) best.push(scene);
      }
      return chosen(best, pick) ?? {};
    },
    one: (kind, pick) => chosen(valuesOf(kind), pick),
    other(kind, pick) {
      const kinds = [...new Set([...alike.values()].flat().flatMap(Object.keys))].sort();
      const others = kinds.filter((it) => it !== kind);
      const from = others[pick % Math.max(1, others.length)];
      return from === undefined ? undefined : chosen(valuesOf(from), pick);
    },
  };
}
