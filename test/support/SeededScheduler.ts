/**
 * A small world whose every accident follows from a seed: which fiber runs next, where a fiber is made to yield, and what
 * `random` says. Its clock moves only when nothing else can, and its wall and monotonic time can come apart. Nothing in it
 * is asynchronous, so the same seed is the same run, and a fiber that waits for nobody is found at once.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Random from "effect/Random"
import type * as Scheduler from "effect/Scheduler"

export interface World {
  /** 0 to 1, from the seed. */
  readonly random: () => number
  /** A whole number, at least 0 and less than the one given. */
  readonly below: (bound: number) => number
  /** Lets others run, so many times at most. */
  readonly pause: (most: number) => Effect.Effect<void>
  /** Starts a fiber of this world. */
  readonly fork: <A, E>(effect: Effect.Effect<A, E>) => Fiber.RuntimeFiber<A, E>
  /** A process of this world. */
  readonly process: () => Process
  /** Lets everything run that can, without any time passing. */
  readonly settle: () => void
  /** Both clocks move on by milliseconds, sleepers wake in order. */
  readonly advance: (millis: number) => void
  /** The wall clock alone moves, by milliseconds forward (the machine slept) or backward (somebody set it). */
  readonly jump: (millis: number) => void
  /** The moment on both clocks. */
  readonly now: () => { readonly wall: number; readonly mono: number }
  /** Runs an effect to its end and gives its value; time passes as far as it must. Throws if it fails, or would wait for ever. */
  readonly run: <A, E>(effect: Effect.Effect<A, E>) => A
}

/** Fibers that can all end together, between two steps of theirs and without another one. */
export interface Process {
  readonly fork: World["fork"]
  readonly isAlive: () => boolean
  readonly kill: () => void
  /** How many of its fibers' timers are running. */
  readonly timers: () => number
}

export interface WorldOptions {
  /** How often a fiber is made to yield, 0 to 1. Default: 0.15. */
  readonly yields?: number
}

interface Sleeper {
  readonly at: number
  readonly of: Scheduler.Scheduler
  readonly wake: () => void
}

/** More tasks than this without any time passing: nobody gets anywhere. */
const livelock = 100_000

/** Mulberry32: small, and the same on every runtime. */
const generator = (seed: number) => {
  let state = Math.imul(seed, 0x9e3779b1) >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

export const make = (seed: number, options: WorldOptions = {}): World => {
  const random = generator(seed)
  const below = (bound: number) => Math.floor(random() * bound)
  const yields = options.yields ?? 0.15

  const tasks: Array<Scheduler.Task> = []
  // A yield is itself made of a few steps: without some quiet after it, a fiber would do nothing but yield.
  let quiet = 0
  const schedulerWhile = (isAlive: () => boolean): Scheduler.Scheduler => ({
    scheduleTask: (task) => void tasks.push(() => isAlive() && task()),
    shouldYield: () => {
      if (quiet > 0) {
        quiet--
        return false
      }
      if (random() >= yields) return false
      quiet = 12 + below(26)
      return 0
    }
  })

  let mono = 0
  let offset = 1_700_000_000_000
  let sleepers: Array<Sleeper> = []
  const wall = () => Math.floor(mono + offset)
  const nanos = () => BigInt(Math.floor(mono * 1e6))
  const clock: Clock.Clock = {
    ...Clock.make(),
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: wall,
    unsafeCurrentTimeNanos: nanos,
    currentTimeMillis: Effect.sync(wall),
    currentTimeNanos: Effect.sync(nanos),
    sleep: (duration) =>
      Effect.withFiberRuntime((fiber) =>
        Effect.async<void>((resume) => {
          const at = mono + Duration.toMillis(duration)
          const sleeper = { at, of: fiber.currentScheduler, wake: () => resume(Effect.void) }
          sleepers.push(sleeper)
          return Effect.sync(() => {
            sleepers = sleepers.filter((other) => other !== sleeper)
          })
        })
      )
  }

  const settle = () => {
    for (let steps = 0; tasks.length > 0; steps++) {
      if (steps > livelock) throw new Error("fibers run and run and get nowhere")
      const index = below(tasks.length)
      const task = tasks[index]!
      tasks[index] = tasks[tasks.length - 1]!
      tasks.pop()
      task()
    }
  }

  /** Wakes whoever is to wake first, not after `until`; false if there is nobody. */
  const wakeOne = (until: number): boolean => {
    let first: Sleeper | undefined
    for (const sleeper of sleepers) {
      if (sleeper.at <= until && (first === undefined || sleeper.at < first.at)) first = sleeper
    }
    if (first === undefined) return false
    mono = Math.max(mono, first.at)
    sleepers = sleepers.filter((other) => other !== first)
    first.wake()
    settle()
    return true
  }

  const forkOn =
    (scheduler: Scheduler.Scheduler) =>
    <A, E>(effect: Effect.Effect<A, E>) =>
      Effect.runFork(
        effect.pipe(
          Effect.withClock(clock),
          Effect.withRandom(Random.make(seed)),
          Logger.withMinimumLogLevel(LogLevel.None)
        ),
        { scheduler }
      )
  const fork = forkOn(schedulerWhile(() => true))

  return {
    random,
    below,
    pause: (most) => Effect.suspend(() => Effect.repeatN(Effect.yieldNow(), below(most + 1))),
    fork,
    process: () => {
      let isAlive = true
      const scheduler = schedulerWhile(() => isAlive)
      return {
        fork: forkOn(scheduler),
        isAlive: () => isAlive,
        kill: () => {
          isAlive = false
          sleepers = sleepers.filter(({ of }) => of !== scheduler)
        },
        timers: () => sleepers.filter(({ of }) => of === scheduler).length
      }
    },
    settle,
    advance: (millis) => {
      settle()
      const until = mono + millis
      while (wakeOne(until));
      mono = until
    },
    jump: (millis) => void (offset += millis),
    now: () => ({ wall: wall(), mono }),
    run: (effect) => {
      const fiber = fork(effect)
      settle()
      while (fiber.unsafePoll() === null) {
        if (!wakeOne(Infinity)) throw new Error("somebody waits for ever")
      }
      const exit = fiber.unsafePoll()!
      if (Exit.isSuccess(exit)) return exit.value
      throw new Error(String(exit.cause))
    }
  }
}

/** Runs the body once per seed, beginning with 1. A failure names its seed: give that as `only` to see it again. */
export const seeds = async (
  count: number,
  body: (world: World, seed: number) => void,
  only?: number
): Promise<void> => {
  for (let seed = only ?? 1; seed <= (only ?? count); seed++) {
    // Who runs the tests has to hear that this one is still at it.
    if (seed % 20 === 0) await new Promise((resolve) => setImmediate(resolve))
    try {
      body(make(seed), seed)
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    }
  }
}
