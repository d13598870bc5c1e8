/**
 * A server for a handful of requests from a browser on this machine. It answers and hangs up; when its scope closes, every socket is gone at
 * once and the port is free. A whole HTTP server keeps connections alive, and waits for those that never say anything.
 *
 * @module
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Scope from "effect/Scope"
import * as Node from "./node.ts"

/** What a request says, as far as anybody looks at it; a body is never read. */
export interface Request {
  readonly method: string
  /** Path and query. */
  readonly target: string
  /** The `Host` header; empty if there is none, or more than one. */
  readonly host: string
}

export interface Response {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body: string
  /** Run when the browser has it all, or has gone. */
  readonly sent?: Effect.Effect<unknown> | undefined
}

export interface Listener {
  readonly port: number
  /** The addresses it listens on: literal ones of this machine, nothing that others could reach. */
  readonly hosts: ReadonlyArray<Host>
}

export type Host = "127.0.0.1" | "[::1]"

export type Failure =
  { readonly _tag: "InUse"; readonly port: number } | { readonly _tag: "Unavailable"; readonly description: string }

/** A request line and headers may have this many bytes: all programs on this machine share one set of cookies. */
const largestHead = 65_536
/** As many connections may be silent at a time; then the one that has been for longest goes. */
const mostSilent = 64
const silence = "5 seconds"
/** For a browser that does not hang up after its answer. */
const farewell = "500 millis"

/** Closing takes real time, whatever the program's clock is. */
const liveClock = /* @__PURE__ */ Clock.make()

/** Listens on 127.0.0.1 and ::1, on the same port. Port 0: a free one. */
export const listen = (
  port: number,
  respond: (request: Request) => Effect.Effect<Response>
): Effect.Effect<Listener, Failure, Scope.Scope> =>
  Effect.gen(function* () {
    const net = yield* Effect.mapError(Node.net, (description): Failure => ({ _tag: "Unavailable", description }))
    const sockets = new Set<Node.Socket>()
    const silent = new Set<Node.Socket>()
    let run: ((fiber: Effect.Effect<void>) => unknown) | undefined

    const connected = (socket: Node.Socket) => {
      socket.on("error", () => {})
      if (run === undefined) return void socket.destroy()
      sockets.add(socket)
      silent.add(socket)
      if (silent.size > mostSilent) silent.values().next().value?.destroy()
      run(
        Effect.ensuring(
          converse(socket),
          Effect.sync(() => {
            socket.destroy()
            sockets.delete(socket)
            silent.delete(socket)
          })
        )
      )
    }

    const converse = (socket: Node.Socket): Effect.Effect<void> =>
      Effect.gen(function* () {
        const head = yield* Effect.timeoutTo(headOf(socket), {
          duration: silence,
          onSuccess: (head) => head,
          onTimeout: () => undefined
        })
        if (head === undefined) return
        silent.delete(socket)
        const request = parse(head)
        const response =
          request === undefined
            ? malformed
            : yield* Effect.raceFirst(respond(request), Effect.as(closed(socket), undefined))
        if (response === undefined) return
        socket.end(encode(response, request?.method !== "HEAD"))
        // What is still being sent flows on and is dropped: closing on it would reset the connection and lose the answer.
        yield* Effect.timeoutOption(closed(socket), farewell)
        if (response.sent !== undefined) yield* response.sent
      })

    const bind = (host: Host, port: number): Effect.Effect<Node.Server, string, Scope.Scope> =>
      Effect.acquireRelease(
        Effect.async<Node.Server, string>((resume) => {
          try {
            const server = net.createServer({ allowHalfOpen: true }, connected)
            server.on("error", ({ code }) => resume(Effect.fail(code ?? "an unknown error")))
            server.listen(
              { host: host === "[::1]" ? "::1" : host, port, exclusive: true, ipv6Only: host === "[::1]" },
              () => resume(Effect.succeed(server))
            )
          } catch {
            resume(Effect.fail("it is not permitted"))
          }
        }),
        (server) =>
          Effect.async<void>((resume) => {
            server.close(() => resume(Effect.void))
            sockets.forEach((socket) => socket.destroy())
          }).pipe(Effect.timeoutOption(farewell), Effect.withClock(liveClock))
      )

    const both = (port: number): Effect.Effect<Listener, string, Scope.Scope> =>
      Effect.gen(function* () {
        const first = yield* Effect.either(bind("127.0.0.1", port))
        if (Either.isLeft(first) && !isMissing(first.left)) return yield* Effect.fail(first.left)
        const chosen = Either.isRight(first) ? portOf(first.right, port) : port
        const second = yield* Effect.either(bind("[::1]", chosen))
        if (Either.isLeft(second) && (Either.isLeft(first) || !isMissing(second.left)))
          return yield* Effect.fail(second.left)
        return {
          port: Either.isRight(second) ? portOf(second.right, chosen) : chosen,
          hosts: [
            ...(Either.isRight(first) ? (["127.0.0.1"] as const) : []),
            ...(Either.isRight(second) ? (["[::1]"] as const) : [])
          ]
        }
      })

    const listener = yield* Effect.mapError(
      // A port that is free for one family may be taken for the other: then another one is tried, if any will do.
      Effect.retry(attempt(both(port)), { times: port === 0 ? 9 : 0, while: (code) => code === "EADDRINUSE" }),
      (code): Failure =>
        code === "EADDRINUSE"
          ? { _tag: "InUse", port }
          : { _tag: "Unavailable", description: `port ${port} of this machine cannot be listened on (${code})` }
    )
    run = yield* FiberSet.makeRuntime<never>()
    yield* Effect.addFinalizer(() => Effect.sync(() => (run = undefined)))
    return listener
  })

/** What a failed attempt has acquired goes at once. */
const attempt = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>): Effect.Effect<A, E, Scope.Scope> =>
  Effect.scopeWith((outer) =>
    Effect.flatMap(Scope.fork(outer, ExecutionStrategy.sequential), (scope) =>
      Effect.onError(Scope.extend(effect, scope), (cause) => Scope.close(scope, Exit.failCause(cause)))
    )
  )

/** The machine has no such address, as opposed to the port being taken or forbidden. */
const isMissing = (code: string): boolean => ["EADDRNOTAVAIL", "EAFNOSUPPORT", "EINVAL"].includes(code)

const portOf = (server: Node.Server, otherwise: number): number => {
  const address = server.address()
  return typeof address === "object" && address !== null ? address.port : otherwise
}

/** Everything up to the empty line, one character per byte; undefined if it does not come. */
const headOf = (socket: Node.Socket): Effect.Effect<string | undefined> =>
  Effect.async((resume) => {
    let head = ""
    const stop = () => {
      socket.off("data", more)
      socket.off("end", gone)
      socket.off("close", gone)
    }
    const done = (result: string | undefined) => {
      stop()
      resume(Effect.succeed(result))
    }
    const more = (chunk: Uint8Array) => {
      // Spread in slices: a call takes only so many arguments.
      for (let at = 0; at < chunk.length; at += 4_096) head += String.fromCharCode(...chunk.subarray(at, at + 4_096))
      const end = head.indexOf("\r\n\r\n")
      if (end >= 0) done(head.slice(0, end))
      else if (head.length > largestHead) done("")
    }
    const gone = () => done(undefined)
    socket.on("data", more)
    socket.on("end", gone)
    socket.on("close", gone)
    return Effect.sync(stop)
  })

const closed = (socket: Node.Socket): Effect.Effect<void> =>
  Effect.async((resume) => {
    const done = () => resume(Effect.void)
    socket.on("close", done)
    return Effect.sync(() => socket.off("close", done))
  })

const parse = (head: string): Request | undefined => {
  const [line = "", ...headers] = head.split("\r\n")
  const [, method, target] = /^([A-Z]{1,20}) (\/[\x21-\x7e]*) HTTP\/1\.[01]$/.exec(line) ?? []
  if (method === undefined || target === undefined) return undefined
  const hosts = headers.flatMap((header) => /^host:[ \t]*(.*?)[ \t]*$/i.exec(header)?.[1] ?? [])
  return { method, target, host: hosts.length === 1 ? hosts[0]! : "" }
}

const malformed: Response = { status: 400, body: "This is not a request that a browser makes.\n" }

/** Whatever is answered is for this moment and this tab only. */
const always: Readonly<Record<string, string>> = {
  "content-type": "text/plain; charset=utf-8",
  "content-security-policy": "default-src 'none'",
  "cache-control": "no-store",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  connection: "close"
}

const reasons: Readonly<Record<number, string>> = {
  200: "OK",
  303: "See Other",
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed"
}

const encode = ({ body, headers, status }: Response, hasBody: boolean): Uint8Array => {
  const bytes = new TextEncoder().encode(body)
  const lines = Object.entries({ ...always, ...headers, "content-length": String(bytes.length) })
  const head = new TextEncoder().encode(
    `HTTP/1.1 ${status} ${reasons[status] ?? ""}\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`
  )
  const message = new Uint8Array(head.length + (hasBody ? bytes.length : 0))
  message.set(head)
  if (hasBody) message.set(bytes, head.length)
  return message
}
