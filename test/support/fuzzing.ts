/**
 * What somebody else wrote, spoiled in every way: documents whose members are changed, lost, repeated and nested, texts that are cut off, stuffed and stretched. What is done
 * with them must end as a value or as a typed failure, in which no secret shows.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as fc from "fast-check"
import { canary, type Observation, printed, scanner } from "./LeakScanner.ts"

/** Planted where secrets stand. */
export const secrets = {
  accessToken: canary("fuzzed access token"),
  refreshToken: canary("fuzzed refresh token"),
  clientSecret: canary("fuzzed client secret")
}

const scan = scanner(secrets)

/** How many inputs each target gets: 150, or what the variable `FUZZ` says. */
export const runs: number = Number(process.env["FUZZ"] ?? 150)

/** Nothing may take longer, in milliseconds; looked at only in long runs, where a busy machine is not mistaken for a slow program. */
const longest = process.env["FUZZ"] === undefined ? Infinity : 10

type Members = Readonly<Record<string, unknown>>

const odd = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    0,
    -1,
    1.5,
    1e308,
    3600,
    "",
    " ",
    "3600",
    "\0",
    "\u202e",
    "\ud800",
    "é",
    "a\r\nb: c"
  ),
  fc.constantFrom<unknown>([], {}, [[]], { "": null }, { __proto__: null, toString: 1 }),
  fc.jsonValue({ maxDepth: 2 }),
  fc.string({ unit: "binary", maxLength: 40 })
)

const planted = fc
  .tuple(fc.constantFrom(...Object.values(secrets)), fc.constantFrom("", '"', "\r\n", " ", "é", "\0"))
  .chain(([secret, end]) => fc.constantFrom<unknown>(secret + end, [secret], { [secret]: secret }, { value: secret }))

/** One piece again and again: what is slow is slow with long texts. */
const stretched = fc
  .tuple(
    fc.oneof(fc.string({ unit: "binary", minLength: 1, maxLength: 6 }), fc.constantFrom(...' \t"\\[{,=:;.&%a0-')),
    fc.nat(4_000)
  )
  .map(([piece, times]) => piece.repeat(Math.max(1, times)))

const junk = fc.oneof(
  { weight: 4, arbitrary: fc.string({ unit: "binary", maxLength: 12 }) },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      '"',
      "\\",
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      "\0",
      "\ufeff",
      "\u2028",
      "null",
      "%",
      "%00",
      "=",
      ";",
      "."
    )
  },
  { weight: 1, arbitrary: stretched }
)

/** A text with something put into it, cut off, without its quotes, wrapped, or as it is. */
export const spoiled = (text: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc
    .tuple(
      text,
      fc.nat(),
      junk,
      fc.constantFrom(
        "whole",
        "whole",
        "whole",
        "stuffed",
        "stuffed",
        "cut",
        "bare",
        "quoted",
        "nested",
        "before",
        "after"
      )
    )
    .map(([text, place, junk, way]) => {
      const at = place % (text.length + 1)
      switch (way) {
        case "stuffed":
          return text.slice(0, at) + junk + text.slice(at)
        case "cut":
          return text.slice(0, at)
        case "bare":
          return text.replaceAll('"', "")
        case "quoted":
          return JSON.stringify(text)
        case "nested":
          return "[".repeat(place % 3_000) + text
        case "before":
          return junk + text
        case "after":
          return text + junk
        default:
          return text
      }
    })

/** By hand, so that members can be there twice, and be called `__proto__`. */
const written = (members: ReadonlyArray<readonly [string, unknown]>): string =>
  `{${members.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value) ?? "null"}`).join(",")}}`

/**
 * Documents that are nearly good: some of the members are odd, missing, or there twice. Secrets stand where they belong and, unless `public` names it, in the place of any other member
 * of the document.
 */
export const documents = (good: Members, isPublic: ReadonlyArray<string> = []): fc.Arbitrary<string> => {
  const names = Object.keys(good)
  const change = fc.oneof(
    fc.tuple(fc.constantFrom(...names), fc.oneof(odd, stretched)),
    fc.tuple(fc.oneof(fc.constantFrom("__proto__", "constructor", "toString", "version", "error"), fc.string()), odd),
    ...(isPublic.length === names.length
      ? []
      : [fc.tuple(fc.constantFrom(...names.filter((name) => !isPublic.includes(name))), planted)])
  )
  return fc
    .tuple(
      // Most of what has one thing wrong is refused for that one thing.
      fc.oneof(
        fc.constant([]),
        fc.constantFrom(...names).map((name) => [name])
      ),
      fc.oneof(
        fc.constant<ReadonlyArray<readonly [string, unknown]>>([]),
        fc.array(change, { minLength: 1, maxLength: 3 })
      ),
      fc.boolean()
    )
    .map(([lost, changes, isFirst]) => {
      const rest = Object.entries(good).filter(([name]) => !lost.some((one) => one === name))
      return written(isFirst ? [...changes, ...rest] : [...rest, ...changes])
    })
}

/** Something that reads what somebody else wrote. */
export interface Target<A> {
  readonly inputs: fc.Arbitrary<A>
  /** Whatever came of it, to be printed; a failure is on the left. Never throws. */
  readonly read: (input: A) => Either.Either<unknown, unknown> | Promise<Either.Either<unknown, unknown>>
  /** What a failure has to be; a text, if it is one. */
  readonly failure: (failure: unknown) => boolean
  /** Whether the value, too, is nothing that shows secrets. Default: true. */
  readonly isValueLooked?: boolean
}

/** A typed failure of this library. */
export const tagged =
  (...tags: ReadonlyArray<string>) =>
  (failure: unknown): boolean =>
    typeof failure === "object" && failure !== null && tags.includes((failure as { readonly _tag: string })._tag)

/** A sentence that can be shown. */
export const sentence = (failure: unknown): boolean =>
  typeof failure === "string" && failure.length < 400 && !/[\p{Cc}\p{Cs}]/u.test(failure)

/** What was logged since it was looked at last. */
const logged: Array<string> = []

const logger = Logger.replace(
  Logger.defaultLogger,
  Logger.map(Logger.stringLogger, (line) => void logged.push(line))
)

/** Runs an effect to its typed end; a defect is thrown. */
export const outcome = async <A, E>(effect: Effect.Effect<A, E>): Promise<Either.Either<A, E>> => {
  const exit = await Effect.runPromiseExit(Effect.provide(Effect.either(effect), logger))
  if (Exit.isSuccess(exit)) return exit.value
  throw new Error(`a defect: ${Cause.pretty(exit.cause)}`)
}

/** Every text in a value, wherever it hangs: nothing prints more than that, and it is collected in no time. */
const texts = (value: unknown, seen: Set<unknown> = new Set()): ReadonlyArray<string> => {
  if (typeof value === "string") return [value]
  if (typeof value !== "object" || value === null || seen.has(value)) return []
  seen.add(value)
  const inside = value instanceof Map || value instanceof Set ? Array.from(value as Iterable<unknown>) : []
  const own = Object.getOwnPropertyDescriptors(value)
  return [
    ...Object.keys(own),
    ...[...inside, ...Object.values(own).map(({ value }) => value)].flatMap((part) => texts(part, seen))
  ]
}

/** What was found out. */
export interface Report {
  /** How many inputs failed, with what they should. */
  readonly failures: number
  readonly values: number
  /** Of the slowest input, in milliseconds. */
  readonly slowest: number
  readonly slow: string
}

/** Gives a target all its inputs; throws with the smallest that shows what is wrong. */
export const run = async <A>({ failure, inputs, isValueLooked = true, read }: Target<A>): Promise<Report> => {
  let failures = 0
  let values = 0
  let slowest = 0
  let slow = ""
  let looked = 0
  /** With what it cost: time of the processor if that can be told, because others want it too. */
  const timed = async (input: A, clock: () => number) => {
    const start = clock()
    const result = read(input)
    const done = result instanceof Promise ? await result : result
    return [done, clock() - start] as const
  }
  const processor = () => {
    const { system, user } = process.cpuUsage()
    return (system + user) / 1_000
  }
  let breath = performance.now()
  await fc.assert(
    fc.asyncProperty(inputs, async (input) => {
      // A worker that never comes to its messages counts as hung.
      if (performance.now() - breath > 1_000) {
        await new Promise((resolve) => setTimeout(resolve))
        breath = performance.now()
      }
      const [result, first] = await timed(input, () => performance.now())
      let millis = first
      // Ten more times: now and then it is the collector of garbage, the compiler or the machine.
      for (let again = 0; again < 10 && millis > longest; again++) {
        millis = Math.min(millis, (await timed(input, processor))[1])
      }
      if (millis > slowest) {
        slowest = millis
        // It is printed, and so without what may be a piece of a secret.
        slow = (JSON.stringify(input) ?? "").replaceAll(/[A-Za-z0-9+/=_-]{8,}/g, "…").slice(0, 120)
      }
      if (millis > longest) throw new Error(`it takes ${millis.toFixed(1)} ms, again and again`)
      if (Either.isLeft(result)) {
        failures++
        if (!failure(result.left)) throw new Error("it fails with something else than it says")
      } else values++
      if (Either.isRight(result) && !isValueLooked) return
      const name = Either.isLeft(result) ? "failure" : "value"
      const value = Either.merge(result)
      const log = logged.splice(0).map((line) => ["log", line] as const)
      // Printing takes longer than everything else: not every time.
      const looks: Observation = ++looked <= 30 ? printed(name, value) : [[name, texts(value).join("\n")]]
      const [found] = scan([...looks, ...log])
      if (found !== undefined) throw new Error(`it shows the ${found.canary} (${found.sink}, ${found.form})`)
    }),
    { numRuns: runs }
  )
  return { failures, values, slowest, slow }
}
