/**
 * Every decision about time. Numbers in, numbers out, all in milliseconds; who reads the clock is somebody else.
 *
 * @module
 */

/** A moment on both clocks, in whole milliseconds: the wall clock jumps, the monotonic one stops while a laptop sleeps. */
export interface Instant {
  readonly wall: number
  readonly mono: number
}

interface Clock {
  readonly unsafeCurrentTimeMillis: () => number
  readonly unsafeCurrentTimeNanos: () => bigint
}

export const instant = (clock: Clock): Instant => ({
  wall: clock.unsafeCurrentTimeMillis(),
  mono: Math.floor(Number(clock.unsafeCurrentTimeNanos()) / 1_000_000)
})

/**
 * How much time has passed, believing whichever clock saw more of it: the wall clock after a suspend, the monotonic one
 * after somebody set the wall clock back.
 */
export const elapsed = (since: Instant, now: Instant): number =>
  Math.max(now.wall - since.wall, now.mono - since.mono, 0)

/** For how long a look at the wall clock alone is enough, before both clocks are compared again. */
export const recheckEvery = 1_000

/** No sleep is longer, so that a jump of the clock is noticed soon, and no timer ever exceeds what runtimes can count. */
export const nap = 60_000

/** Nothing an authorization server says makes a token live longer than this. */
export const maxLifetime: number = 10 * 365 * 86_400_000

/** How long a token still lives. One from a machine whose clock is ahead was issued in the future: it lives no longer for that. */
export const lifeLeft = (issuedAt: number, expiresAt: number, now: number): number =>
  Math.min(expiresAt - now, expiresAt - issuedAt, maxLifetime)

/** The early-renewal window before the expiry: at most `ahead`, and never more than a fifth of the token's life. */
export const renewalWindow = (lifetime: number, ahead: number): number => Math.max(0, Math.min(ahead, lifetime * 0.2))

/**
 * How long before its expiry a token is renewed. `jitter` (0 to 1) moves the moment into the window, so that a fleet does
 * not renew in the same second. Half the window, or 10 s if that is less, always remains for the renewal itself; so does a second where
 * the window has it, because many servers count in whole seconds.
 */
export const renewalLead = (lifetime: number, ahead: number, jitter: number): number => {
  const window = renewalWindow(lifetime, ahead)
  const least = Math.min(window, Math.max(1_000, Math.min(window / 2, 10_000)))
  return window - jitter * (window - least)
}

/** The least time between two renewals of one credential. An unknown, zero, negative or absurd lifetime counts as long. */
export const spacing = (lifetime: number): number =>
  lifetime > 0 && lifetime < maxLifetime ? Math.min(10_000, lifetime * 0.2) : 10_000

/** What a failed flight leaves behind. */
export interface Failure {
  readonly at: Instant
  /** How many flights in a row have failed, this one included. */
  readonly count: number
  readonly isRetryable: boolean
  readonly retryAfter: number | undefined
  /** 0 to 1. */
  readonly jitter: number
}

/** What a pause without `Retry-After` grows to, so that jitter brings it to five minutes at most. */
const longestPause = 250_000

const growing = (first: number, count: number, most: number) => Math.min(most, first * 2 ** Math.min(count - 1, 30))

/**
 * How long after a failure the next flight may start. While the old token still lives (`window` is its early-renewal
 * window): 30 s, growing to 5 min with jitter, less for short-lived tokens. While callers wait: 1 s growing to 30 s when trying again may help, as slowly
 * as before when the server refused. The server's `Retry-After` wins, up to an hour.
 */
export const pause = (failure: Failure, window: number | undefined): number => {
  if (failure.retryAfter !== undefined) {
    return Math.min(3_600_000, Math.max(1_000, failure.retryAfter) * (1 + failure.jitter * 0.1))
  }
  const base =
    window !== undefined
      ? growing(Math.min(30_000, Math.max(500, window / 2)), failure.count, longestPause)
      : failure.isRetryable
        ? growing(1_000, failure.count, 30_000)
        : growing(30_000, failure.count, longestPause)
  return base * (1 + failure.jitter * 0.2)
}

/** A caller without a token waits this long for a pause to end; for a longer one it fails at once with the last error. */
export const patience = 5_000

/** After somebody said no, nobody is asked again for so long: callers who asked together are not asked one after the other. */
export const afterDenial = 2_000

/** How long after so many failures in a row storing a token is tried again. `jitter` is 0 to 1. */
export const savePause = (count: number, jitter: number): number => growing(1_000, count, nap) * (1 + jitter * 0.2)
