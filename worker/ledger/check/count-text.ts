/** "1 organization", "3 organizations"; `many` where an s does not make it. */
export function countText(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
