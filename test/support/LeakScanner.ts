/**
 * Runs a program with everything observable recorded, and finds canaries in what was recorded: as they are, in pieces, and encoded.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import { inspect } from "node:util"

/** A canary seen where it has no business to be. */
export interface Sighting {
  readonly canary: string
  readonly sink: string
  readonly form: string
  /** What stands around it, so that one finds the place. */
  readonly around: string
}

/** Everything that could be seen of a program: texts by the sink they went to. */
export type Observation = ReadonlyArray<readonly [sink: string, text: string]>

const alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"

/** All canaries of this process by their names: the hook of the whole suite looks for them (test/support/leaks.ts). */
export const planted: Map<string, string> = ((globalThis as any)[Symbol.for("effect-credentials/planted")] ??=
  new Map())

/** A text that occurs nowhere else: the same for the same name, and visible ASCII. `special` stands in its middle. */
export const canary = (name: string, special = ""): string => {
  let state = Array.from(name).reduce((hash, char) => (hash * 31 + char.charCodeAt(0)) >>> 0, 2166136261)
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return alphabet[(state >>> 8) % alphabet.length]!
  }
  const half = () => Array.from({ length: 20 }, next).join("")
  const text = half() + special + half()
  planted.set(name, text)
  return text
}

const base64 = (text: string): string => btoa(String.fromCharCode(...new TextEncoder().encode(text)))

/** How a secret could look, and how many characters of it in a row give it away. */
const formsOf = (secret: string): ReadonlyArray<readonly [form: string, text: string, least: number]> => [
  ["plain", secret, 10],
  ["percent-encoded", encodeURIComponent(secret), 10],
  // Base64 depends on what stands before: three cases. Its ends mix with the neighbours and are left out.
  ...["", "x", "xx"].flatMap((before) => {
    const middle = base64(before + secret).slice(4, -4)
    return [
      ["base64", middle, 12],
      ["base64url", middle.replaceAll("+", "-").replaceAll("/", "_"), 12]
    ] as const
  }),
  ["hex", Array.from(new TextEncoder().encode(secret), (byte) => byte.toString(16).padStart(2, "0")).join(""), 20]
]

const places = 1 << 22

/** A number for the four characters at a place: hardly any is a piece's beginning, all others are passed by quickly. */
const beginning = (text: string, at: number): number =>
  ((text.charCodeAt(at) << 15) ^
    (text.charCodeAt(at + 1) << 10) ^
    (text.charCodeAt(at + 2) << 5) ^
    text.charCodeAt(at + 3)) &
  (places - 1)

/** Finds canaries in texts. Build it once: it knows every piece of each. */
export const scanner = (
  canaries: Readonly<Record<string, string>>
): ((observation: Observation) => ReadonlyArray<Sighting>) => {
  const pieces = new Map<string, { readonly canary: string; readonly form: string }>()
  const lengths = new Set<number>()
  const beginnings = new Uint8Array(places)
  for (const [canary, secret] of Object.entries(canaries)) {
    for (const [form, text, least] of formsOf(secret)) {
      lengths.add(least)
      for (let at = 0; at + least <= text.length; at++) {
        const piece = text.slice(at, at + least)
        beginnings[beginning(piece, 0)] = 1
        if (!pieces.has(piece)) pieces.set(piece, { canary, form })
      }
    }
  }
  return (observation) => {
    const seen = new Map<string, Sighting>()
    for (const [sink, text] of observation) {
      for (let at = 0; at + 4 <= text.length; at++) {
        if (beginnings[beginning(text, at)] === 0) continue
        for (const length of lengths) {
          const found = pieces.get(text.slice(at, at + length))
          if (found === undefined) continue
          const around = text.slice(Math.max(0, at - 80), at + 80)
          const name = `${found.canary} ${found.form} ${sink}`
          if (!seen.has(name)) seen.set(name, { ...found, sink, around })
        }
      }
    }
    return Array.from(seen.values())
  }
}

/** A value in every way people print one. */
export const printed = (name: string, value: unknown): Observation => {
  const looked = (value: unknown) =>
    inspect(value, { depth: 20, showHidden: true, getters: true, maxArrayLength: null, maxStringLength: null })
  const ways: Record<string, () => unknown> = {
    inspect: () => looked(value),
    // What an object prints of itself is its own choice, and runtimes print errors differently.
    properties: () => typeof value === "object" && value !== null && looked(Object.getOwnPropertyDescriptors(value)),
    JSON: () => JSON.stringify(value),
    String: () => String(value)
  }
  if (value instanceof Error) {
    ways["message"] = () => value.message
    ways["stack"] = () => value.stack
    ways["Cause.pretty"] = () => Cause.pretty(Cause.fail(value), { renderErrorCause: true })
  }
  if (Cause.isCause(value)) ways["Cause.pretty"] = () => Cause.pretty(value, { renderErrorCause: true })
  return Object.entries(ways).map(([way, print]) => {
    try {
      return [`${name}, ${way}`, String(print())] as const
    } catch (error) {
      // Some values cannot be printed this way; how that fails is seen by people too.
      return [`${name}, ${way}`, inspect(error)] as const
    }
  })
}

const consoleMethods = [
  "log",
  "info",
  "warn",
  "error",
  "debug",
  "trace",
  "dir",
  "table",
  "group",
  "groupCollapsed"
] as const

/** Records what goes to the console and to the standard streams, until it is told to stop. `passesOn`: it goes there as well. */
export const recordConsole = (record: (sink: string, text: string) => void, passesOn = false): (() => void) => {
  const undo: Array<() => void> = []
  const replace = <O extends object, K extends keyof O>(owner: O, key: K, by: O[K]) => {
    const original = owner[key]
    owner[key] = by
    undo.push(() => (owner[key] = original))
  }
  for (const method of consoleMethods) {
    const original = console[method] as (...values: ReadonlyArray<unknown>) => void
    replace(console, method, (...values: ReadonlyArray<unknown>) => {
      record(
        "console",
        values
          .map((value) => (typeof value === "string" ? value : inspect(value, { depth: 20, showHidden: true })))
          .join(" ")
      )
      if (passesOn) original.apply(console, [...values])
    })
  }
  for (const stream of [process.stdout, process.stderr]) {
    const original = stream.write
    replace(stream, "write", ((chunk: unknown, ...more: ReadonlyArray<unknown>) => {
      record("standard streams", typeof chunk === "string" ? chunk : new TextDecoder().decode(chunk as Uint8Array))
      return passesOn ? Reflect.apply(original, stream, [chunk, ...more]) : true
    }) as typeof stream.write)
  }
  return () => undo.forEach((one) => one())
}

const loggers = (record: (sink: string, text: string) => void): Layer.Layer<never> => {
  const keep = <A>(sink: string, logger: Logger.Logger<unknown, A>) =>
    Logger.map(logger, (line) =>
      record(sink, typeof line === "string" ? line : inspect(line, { depth: 20, showHidden: true }))
    )
  return [
    keep("stringLogger", Logger.stringLogger),
    keep("logfmtLogger", Logger.logfmtLogger),
    keep("jsonLogger", Logger.jsonLogger),
    keep("structuredLogger", Logger.structuredLogger),
    // These write to the console by themselves.
    Logger.prettyLogger({ colors: false, mode: "tty" }),
    Logger.prettyLogger({ colors: false, mode: "browser" })
  ]
    .map((logger) => Logger.add(logger))
    .reduce((all, one) => Layer.merge(all, one))
}

interface Recorded {
  readonly tracer: Tracer.Tracer
  readonly spans: () => Observation
}

const recordingTracer = (): Recorded => {
  const spans: Array<Record<string, unknown>> = []
  const tracer = Tracer.make({
    span: (name, parent, context, links, startTime, kind, options) => {
      const attributes = new Map<string, unknown>()
      const events: Array<unknown> = []
      // The platform's client ends its own span with its own error, which holds the request with all its headers. Exporters show
      // an error's text only, and so is it looked at here.
      const isPlatforms = name.startsWith("http.client ")
      const record: Record<string, unknown> = { name, attributes, events, links: [...links], isPlatforms }
      spans.push(record)
      let status: Tracer.SpanStatus = { _tag: "Started", startTime }
      for (const [key, value] of Object.entries(options?.attributes ?? {})) attributes.set(key, value)
      return {
        _tag: "Span",
        name,
        spanId: `span-${spans.length}`,
        traceId: Option.match(parent, { onNone: () => `trace-${spans.length}`, onSome: ({ traceId }) => traceId }),
        parent,
        context,
        get status() {
          return status
        },
        attributes,
        links,
        sampled: true,
        kind,
        end: (endTime, exit) => {
          status = { _tag: "Ended", startTime, endTime, exit }
          record["exit"] = exit
        },
        attribute: (key, value) => void attributes.set(key, value),
        event: (name, _, attributes) => void events.push({ name, attributes }),
        addLinks: (more) => void (record["links"] as Array<unknown>).push(...more)
      }
    },
    context: (f) => f()
  })
  return {
    tracer,
    spans: () =>
      spans.flatMap((span) => {
        const { exit, isPlatforms, ...rest } = span
        return [
          ...printed("span", { ...rest, attributes: Object.fromEntries(span["attributes"] as Map<string, unknown>) }),
          ...(isPlatforms ? [] : printed("span's exit", exit)),
          ...(Exit.isExit(exit) && Exit.isFailure(exit)
            ? [["span's exit, Cause.pretty", Cause.pretty(exit.cause, { renderErrorCause: true })] as const]
            : [])
        ]
      })
  }
}

const exposed = (name: string, exit: Exit.Exit<unknown, unknown>): Observation =>
  Exit.match(exit, {
    onSuccess: (value) => (Array.isArray(value) ? value : [value]).flatMap((one) => printed("result", one)),
    onFailure: (cause) => [
      ...printed(name, cause),
      ...Array.from(Cause.failures(cause)).flatMap((error) => printed("error", error)),
      ...Array.from(Cause.defects(cause)).flatMap((defect) => printed("defect", defect))
    ]
  })

/**
 * Runs a program and records all that can be seen of it: all loggers at every level, the console, the standard streams, every span, all
 * metrics, and its outcome (an array: each element) printed in every way.
 */
export const observe = async <A, E>(program: Effect.Effect<A, E>): Promise<Observation> => {
  const observation: Array<readonly [string, string]> = []
  const record = (sink: string, text: string) => void observation.push([sink, text])
  const { spans, tracer } = recordingTracer()
  const restore = recordConsole(record)
  try {
    const exit = await Effect.runPromiseExit(
      program.pipe(
        Effect.provide(loggers(record)),
        Logger.withMinimumLogLevel(LogLevel.All),
        Effect.withTracer(tracer),
        Effect.withTracerEnabled(true)
      )
    )
    observation.push(...exposed("cause", exit))
    const metrics = Array.from(Effect.runSync(Metric.snapshot), ({ metricKey, metricState }) => ({
      name: metricKey.name,
      tags: Array.from(metricKey.tags, ({ key, value }) => `${key}=${value}`),
      state: metricState
    }))
    observation.push(...metrics.flatMap((metric) => printed("metric", metric)))
  } finally {
    restore()
  }
  return [...observation, ...spans()]
}
