/**
 * What can be spent only once is spent to the end: an effect can be interrupted until it has sent such a thing, and from then on whoever
 * interrupts it waits for the answer, and gets what it brings.
 *
 * Effect's own regions cannot say that: an interruption that comes while the answer is awaited would take effect between the answer and whoever
 * keeps it. So the effect runs in a fiber of its own, which nobody but this file can interrupt, behind a gate: one step of JavaScript decides whether the
 * request or the interruption comes first.
 *
 * @module
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"

interface Gate {
  readonly outer: Gate | undefined
  /** How much has been sent and not come to nothing. */
  spent: number
  /** Nothing more may be sent. */
  isShut: boolean
  /** Whether whoever sends says so: while nobody does, something may have been sent. */
  isExact: boolean
  /** Done when there is nothing to wait for any more: all that was sent has come to nothing, or it has ended. */
  readonly settled: Deferred.Deferred<void>
}

const current: FiberRef.FiberRef<Gate | undefined> = /* @__PURE__ */ FiberRef.unsafeMake<Gate | undefined>(undefined)

/** What is asked in the moment before something is sent. */
const condition: FiberRef.FiberRef<Effect.Effect<boolean> | undefined> = /* @__PURE__ */ FiberRef.unsafeMake<
  Effect.Effect<boolean> | undefined
>(undefined)

/** An effect that sends something only if this is true in that moment; it is interrupted otherwise. */
export const onlyIf = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  isTrue: Effect.Effect<boolean>
): Effect.Effect<A, E, R> =>
  Effect.locallyWith(effect, condition, (outer) =>
    outer === undefined ? isTrue : Effect.if(outer, { onTrue: () => isTrue, onFalse: () => Effect.succeed(false) })
  )

const chain = (gate: Gate | undefined): ReadonlyArray<Gate> => {
  const gates: Array<Gate> = []
  for (let next = gate; next !== undefined; next = next.outer) gates.push(next)
  return gates
}

const enter = (gates: ReadonlyArray<Gate>): boolean => {
  if (gates.some(({ isShut }) => isShut)) return false
  for (const gate of gates) gate.spent++
  return true
}

const leave = (gates: ReadonlyArray<Gate>) => {
  for (const gate of gates) {
    if (--gate.spent === 0 && gate.isShut) Deferred.unsafeDone(gate.settled, Exit.void)
  }
}

/**
 * An effect that spends something, from the moment in which it sends it. If it fails, it has come to nothing; if it succeeds, what it brings is not lost to
 * an interruption before it is kept.
 */
export const spending = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  FiberRef.getWith(condition, (isTrue) =>
    isTrue === undefined ? now(effect) : Effect.flatMap(isTrue, (isTrue) => (isTrue ? now(effect) : Effect.interrupt))
  )

const now = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  FiberRef.getWith(current, (gate) => {
    const gates = chain(gate)
    return Effect.acquireUseRelease(
      Effect.sync(() => enter(gates)),
      (isIn) => (isIn ? effect : Effect.interrupt),
      (isIn, exit) => Effect.sync(() => isIn && Exit.isFailure(exit) && leave(gates))
    )
  })

/** Says whether everything that is sent from now on says so, with {@link spending}. */
export const exact = (isExact: boolean): Effect.Effect<void> =>
  FiberRef.getWith(current, (gate) =>
    Effect.sync(() => {
      for (const one of chain(gate)) one.isExact = isExact
    })
  )

/** How long an answer is awaited, and what follows it, by somebody who wants to stop: in real time, whatever the program's clock is. */
const longest = /* @__PURE__ */ Duration.seconds(15)

const liveClock = /* @__PURE__ */ Clock.make()

const stop = (gate: Gate, fiber: Fiber.RuntimeFiber<unknown, unknown>, grace: Duration.Duration): Effect.Effect<void> =>
  Effect.suspend(() => {
    gate.isShut = true
    const wait = gate.spent > 0 ? longest : gate.isExact ? Duration.zero : grace
    const interrupt = Effect.asVoid(Fiber.interrupt(fiber))
    if (Duration.equals(wait, Duration.zero)) return interrupt
    // No race of effects: a second interruption would end that, wherever it runs.
    fiber.addObserver(() => Deferred.unsafeDone(gate.settled, Exit.void))
    const enough = Effect.zipRight(Effect.sleep(wait), Deferred.succeed(gate.settled, undefined))
    return Effect.flatMap(Effect.forkDaemon(Effect.interruptible(Effect.withClock(enough, liveClock))), (timer) =>
      Deferred.await(gate.settled).pipe(Effect.zipRight(Fiber.interrupt(timer)), Effect.zipRight(interrupt))
    )
  })

export interface Options<E> {
  /** What makes the wait interruptible. */
  readonly restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** How long it may take. What has been sent by then is awaited all the same. */
  readonly timeLimit?: { readonly after: Duration.Duration; readonly onTimeout: () => E } | undefined
  /** How long an effect that does not say when it sends something may go on after an interruption, in real time. */
  readonly grace?: Duration.Duration | undefined
}

/** Runs an effect so that what it spends is not lost. To be used where nothing can be interrupted: the result is there even after an interruption. */
export const unbroken = <A, E, R>(effect: Effect.Effect<A, E, R>, options: Options<E>): Effect.Effect<A, E, R> =>
  FiberRef.getWith(current, (outer) => {
    const gate: Gate = {
      outer,
      spent: 0,
      isShut: false,
      isExact: outer?.isExact ?? false,
      settled: Deferred.unsafeMake<void>(FiberId.none)
    }
    const { grace = Duration.zero, restore, timeLimit } = options
    return Effect.flatMap(
      Effect.forkDaemon(Effect.interruptible(Effect.locally(effect, current, gate))),
      (fiber): Effect.Effect<A, E> => {
        const ended = Effect.flatten(Fiber.await(fiber))
        const waited =
          timeLimit === undefined || !Duration.isFinite(timeLimit.after)
            ? Effect.asSome(Fiber.await(fiber))
            : Effect.timeoutOption(Fiber.await(fiber), timeLimit.after)
        return Effect.matchCauseEffect(restore(waited), {
          onFailure: () => Effect.zipRight(stop(gate, fiber, grace), ended),
          onSuccess: Option.match({
            onSome: (exit) => exit,
            onNone: () =>
              Effect.zipRight(
                stop(gate, fiber, Duration.zero),
                Effect.flatMap(Fiber.await(fiber), (exit) =>
                  Exit.isInterrupted(exit) && timeLimit !== undefined ? Effect.fail(timeLimit.onTimeout()) : exit
                )
              )
          })
        })
      }
    )
  }).pipe(Effect.uninterruptible)

/** {@link unbroken}, interruptible where it is used, and with a time limit: in place of `Effect.timeoutFail`, which would cut off what was sent. */
export const within = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  timeLimit?: Options<E>["timeLimit"]
): Effect.Effect<A, E, R> => Effect.uninterruptibleMask((restore) => unbroken(effect, { restore, timeLimit }))

/** Whether refresh tokens must not be spent: somebody else may hold newer ones, and he cannot be asked. */
export const withoutRefreshTokens: FiberRef.FiberRef<boolean> = /* @__PURE__ */ FiberRef.unsafeMake(false)
