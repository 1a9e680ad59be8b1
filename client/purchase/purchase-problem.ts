/** Why a request about extra minutes was not answered as hoped. */
export class PurchaseProblem extends Error {
  override readonly name = 'PurchaseProblem';
  /** That of the API, or `unreachable`. */
  readonly code: string;
  /** HTTP; 0 where nothing answered. */
  readonly status: number;

  constructor(code: string, status: number, detail: string) {
    super(detail);
    this.code = code;
    this.status = status;
  }

  /** Whether it was done nobody knows: ask the same again. */
  get isUncertain(): boolean {
    return this.status === 0 || this.status >= 500;
  }
}

/** The sentence that the server gave, or one that says what to do. Never rejects. */
export async function problemOf(response: Response): Promise<PurchaseProblem> {
  const body: unknown = await response.json().catch(() => null);
  const { code, detail } = (body ?? {}) as { code?: unknown; detail?: unknown };
  return new PurchaseProblem(
    typeof code === 'string' ? code : 'unexpected',
    response.status,
    typeof detail === 'string'
      ? detail
      : `The gateway answered with HTTP ${response.status}. Try again in a moment.`,
  );
}
