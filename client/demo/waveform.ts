/** The last seconds of loudness as a row of bars; for those who want no motion, one bar. */
const BARS = 72;
const STEP_MS = 70;
const QUIET = 0.03;

export class Waveform {
  readonly #canvas: HTMLCanvasElement;
  readonly #levels: number[] = new Array(BARS).fill(0);
  readonly #still = matchMedia('(prefers-reduced-motion: reduce)');
  #lastMs = 0;

  constructor(canvas: HTMLCanvasElement) {
    this.#canvas = canvas;
    this.#draw();
  }

  /** With every frame; `level` 0 to 1. */
  show(level: number, nowMs: number): void {
    if (nowMs - this.#lastMs < STEP_MS) return;
    this.#lastMs = nowMs;
    this.#levels.push(level);
    this.#levels.shift();
    this.#draw();
  }

  clear(): void {
    if (this.#levels.every((level) => level === 0)) return;
    this.#levels.fill(0);
    this.#draw();
  }

  #draw(): void {
    const scale = devicePixelRatio;
    const width = Math.round(this.#canvas.clientWidth * scale);
    const height = Math.round(this.#canvas.clientHeight * scale);
    if (this.#canvas.width !== width) this.#canvas.width = width;
    if (this.#canvas.height !== height) this.#canvas.height = height;
    const context = this.#canvas.getContext('2d');
    if (context === null || width === 0) return;
    context.clearRect(0, 0, width, height);
    context.fillStyle = getComputedStyle(this.#canvas).color;
    if (this.#still.matches) {
      const level = this.#levels.at(-1) ?? 0;
      context.fillRect(0, height / 2 - scale, Math.max(2, level * width), 2 * scale);
      return;
    }
    const step = width / BARS;
    for (const [index, level] of this.#levels.entries()) {
      const tall = Math.max(QUIET, level) * height;
      // Older bars fade: the eye stays on what is said now.
      context.globalAlpha = level < QUIET ? 0.25 : 0.35 + (0.65 * index) / BARS;
      context.beginPath();
      context.roundRect(index * step, (height - tall) / 2, step * 0.55, tall, step);
      context.fill();
    }
    context.globalAlpha = 1;
  }
}
