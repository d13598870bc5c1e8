/**
 * Scenarios: what a person does with one of the five systems and what has to happen, as data with a sentence of purpose. They run against a stand-in of the
 * system, a real server on a loopback port, with a home directory and an environment of their own.
 *
 * Strings may hold `${home}` and `${server}`; an expected `{ "$matches": "…" }` is a regular expression. What is expected is matched as a subset.
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import type * as HttpClient from "@effect/platform/HttpClient"
import { describe, expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { type Answer, reroute, type Seen, standIn } from "../../examples/support/standIn.ts"

/** One thing that is done, and what has to come of it. */
export interface Step {
  /** The name of an action; `build` is what makes the others possible, and need not be said unless it fails. */
  readonly do: string
  /** What the action is given. */
  readonly with?: any
  /** What it has to give. */
  readonly gives?: unknown
  /** The error it has to fail with. */
  readonly fails?: unknown
  /** The requests that the server has to see, in order; `[]` is none at all. Default: not looked at. */
  readonly sends?: ReadonlyArray<unknown>
  /** How much time passes first, as Effect writes durations. */
  readonly after?: Duration.DurationInput
}

/** A scenario, as it stands in the data files. */
export interface Scenario {
  /** One sentence, in the present tense: the title of the test. */
  readonly purpose: string
  /** The rows of behaviour it proves. */
  readonly rows: ReadonlyArray<string>
  readonly given?: {
    readonly environment?: Readonly<Record<string, string>>
    /** Files under the home directory: text as it is, anything else as JSON. */
    readonly files?: Readonly<Record<string, unknown>>
    /** What the subject is made with. */
    readonly options?: any
    /** What the stand-in is told. */
    readonly server?: any
    /** Answers that come before the stand-in's own, in order, for the path they name. */
    readonly answers?: ReadonlyArray<Answer & { readonly path: string }>
  }
  readonly steps: ReadonlyArray<Step>
  /** Files under the home directory afterwards: their JSON as a subset, their text if it is a string, or null for none. */
  readonly files?: Readonly<Record<string, unknown>>
}

/** Where a scenario plays. */
export interface World {
  readonly home: string
  /** The stand-in's URL. */
  readonly server: string
  readonly environment: Readonly<Record<string, string>>
  /** All requests so far. */
  readonly seen: ReadonlyArray<Seen>
}

/** A system under test. */
export interface System {
  /** Answers as the real one does. Called once per scenario with what the scenario says of the server. */
  readonly standIn: (told: any, world: World) => (request: Seen) => Answer
  /** The actions, made with a scenario's options. Everything they need comes from the scenario's world. */
  readonly build: (
    options: any,
    world: World
  ) => Effect.Effect<
    Readonly<Record<string, (given: any) => Effect.Effect<unknown, unknown>>>,
    unknown,
    HttpClient.HttpClient | Scope.Scope
  >
}

/** Time passes when a scenario says so. Pauses between attempts are cut short, limits are not: real servers answer in real time. */
const clockOf = () => {
  const live = Clock.make()
  let offset = 0
  const millis = () => live.unsafeCurrentTimeMillis() + offset
  const nanos = () => live.unsafeCurrentTimeNanos() + BigInt(Math.round(offset * 1e6))
  const clock: Clock.Clock = {
    ...live,
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: millis,
    unsafeCurrentTimeNanos: nanos,
    currentTimeMillis: Effect.sync(millis),
    currentTimeNanos: Effect.sync(nanos),
    sleep: (duration) =>
      Duration.lessThan(duration, "9 seconds")
        ? Effect.suspend(() => {
            const until = millis() + Duration.toMillis(duration)
            return Effect.zipRight(
              live.sleep(Duration.times(duration, 0.01)),
              // Others may have slept meanwhile, too.
              Effect.sync(() => void (offset += Math.max(0, until - millis())))
            )
          })
        : live.sleep(duration)
  }
  return { clock, pass: (duration: Duration.DurationInput) => void (offset += Duration.toMillis(duration)) }
}

const filled = (value: any, world: World): any =>
  typeof value === "string"
    ? value.replaceAll("${home}", world.home).replaceAll("${server}", world.server)
    : Array.isArray(value)
      ? value.map((each) => filled(each, world))
      : typeof value === "object" && value !== null
        ? typeof value.$matches === "string"
          ? expect.stringMatching(new RegExp(value.$matches))
          : Object.fromEntries(Object.entries(value).map(([name, each]) => [filled(name, world), filled(each, world)]))
        : value

/** As data: errors with their tag and message, everything else as JSON has it. */
const plain = (value: unknown): any =>
  value instanceof Error
    ? { ...JSON.parse(JSON.stringify(value)), message: value.message }
    : value === undefined
      ? undefined
      : JSON.parse(JSON.stringify(value))

const write = (home: string, files: Readonly<Record<string, unknown>>) => {
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(home, name)
    fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 })
    fs.writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content), { mode: 0o600 })
  }
}

const check = (home: string, files: Readonly<Record<string, unknown>>) => {
  for (const [name, expected] of Object.entries(files)) {
    const file = path.join(home, name)
    const text = fs.existsSync(file) ? fs.readFileSync(file, "utf8") : null
    if (expected === null || typeof expected === "string") expect(text, name).toEqual(expected)
    else expect(text === null ? null : JSON.parse(text), name).toMatchObject(expected as object)
  }
}

const play = (scenario: Scenario, system: System) =>
  Effect.gen(function* () {
    const home = yield* Effect.acquireRelease(
      Effect.sync(() => fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "effect-credentials-")))),
      (home) => Effect.sync(() => fs.rmSync(home, { recursive: true, force: true }))
    )
    const seen: Array<Seen> = []
    let answer: (seen: Seen) => Answer = () => ({ status: 500 })
    const server = yield* standIn((request) => {
      seen.push(request)
      return answer(request)
    })
    const place = { home, server, environment: {}, seen }
    const given = filled(scenario.given ?? {}, place)
    const world: World = { ...place, environment: { HOME: home, ...given.environment } }
    const answers = system.standIn(given.server ?? {}, world)
    const scripted: Array<Answer & { readonly path: string }> = [...(given.answers ?? [])]
    answer = (seen) => {
      const place = scripted.findIndex(({ path }) => path === seen.path)
      return place < 0 ? answers(seen) : scripted.splice(place, 1)[0]!
    }
    write(home, given.files ?? {})
    const { clock, pass } = clockOf()
    const steps: ReadonlyArray<Step> =
      scenario.steps[0]?.do === "build" ? scenario.steps : [{ do: "build" }, ...scenario.steps]
    let actions: Readonly<Record<string, (given: any) => Effect.Effect<unknown, unknown>>> = {}
    const rerouted = Layer.provide(FetchHttpClient.layer, Layer.succeed(FetchHttpClient.Fetch, reroute(world.server)))
    const client = yield* Layer.build(rerouted)
    const build = Effect.map(system.build(given.options ?? {}, world), (built) => void (actions = built))
    const run = (step: Step): Effect.Effect<unknown, unknown, Scope.Scope> =>
      step.do === "build"
        ? Effect.provide(build, client)
        : (actions[step.do]?.(filled(step.with, world)) ?? Effect.dieMessage(`there is no action ${step.do}`))
    for (const step of steps) {
      const before = seen.length
      if (step.after !== undefined) pass(step.after)
      const result = yield* Effect.either(run(step)).pipe(
        Effect.withClock(clock),
        Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(world.environment))))
      )
      if (step.fails === undefined) {
        if (Either.isLeft(result)) expect.fail(`${step.do}: ${String(plain(result.left)?.message ?? result.left)}`)
        if (step.gives !== undefined) {
          const expected = filled(step.gives, world)
          if (typeof expected === "object" && expected !== null && !("asymmetricMatch" in expected)) {
            expect(plain(result.right), step.do).toMatchObject(expected)
          } else expect(plain(result.right), step.do).toEqual(expected)
        }
      } else {
        if (Either.isRight(result)) expect.fail(`${step.do} succeeds`)
        expect(plain(result.left), step.do).toMatchObject(filled(step.fails, world))
      }
      if (step.sends !== undefined) {
        const sent = seen.slice(before)
        expect(sent.map(({ method, origin, path }) => `${method} ${origin}${path}`)).toHaveLength(step.sends.length)
        expect(sent, step.do).toMatchObject(filled(step.sends, world))
      }
    }
    check(home, filled(scenario.files ?? {}, world))
  })

/** A test for each scenario of the file `scenarios/<name>.json`. */
export const scenarios = (name: string, system: System): void => {
  const file = new URL(`./scenarios/${name}.json`, import.meta.url)
  const all: ReadonlyArray<Scenario> = JSON.parse(fs.readFileSync(file, "utf8"))
  describe(name, () => {
    for (const scenario of all) {
      it.scopedLive(`${scenario.purpose} (${scenario.rows.join(", ")})`, () => play(scenario, system))
    }
  })
}
