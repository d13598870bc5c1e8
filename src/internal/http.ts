/**
 * How a request with secrets in it is sent: no redirect is followed, nothing of it is traced, the answer is read up to a limit, and a
 * failure says in a few fixed words what happened, never what was sent.
 *
 * @module
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as FiberRef from "effect/FiberRef"
import * as Stream from "effect/Stream"
import { neverSent } from "./neverSent.ts"

/** A request with secrets in it. */
export interface Call {
  readonly method: "GET" | "POST"
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly content?: { readonly type: string; readonly body: string } | undefined
}

/** An answer, read to its end. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: string
}

/** Why there is no answer. */
export type Failure =
  /** The request provably never left: sending it again is harmless. `isPermanent`: and useless. */
  | { readonly _tag: "NotSent"; readonly description: string; readonly isPermanent: boolean }
  /** It may have been received and acted upon. */
  | { readonly _tag: "Lost"; readonly description: string }
  /** There is an answer, of a kind that is never accepted. */
  | { readonly _tag: "Refused"; readonly description: string; readonly status: number }

const largest = 1_048_576

/**
 * A client whose requests run in a changed context. Preprocessing runs inside the client's own context, so this sees what the client's
 * layer was given (a proxy in `RequestInit`, a `Fetch`) and can add to it, where providing it from outside would replace it.
 */
const within =
  (change: (context: Context.Context<never>) => Context.Context<any>) =>
  <E, R>(self: HttpClient.HttpClient.With<E, R>): HttpClient.HttpClient.With<E, R> =>
    self.pipe(
      HttpClient.mapRequestEffect((request) =>
        Effect.as(
          FiberRef.update(FiberRef.currentContext, (context) => change(context)),
          request
        )
      ),
      // Puts the caller's own context back afterwards.
      HttpClient.transformResponse(Effect.mapInputContext(identity<Context.Context<any>>))
    )

/** A client that fetches without following redirects and without caches. */
export const withoutRedirects: <E, R>(self: HttpClient.HttpClient.With<E, R>) => HttpClient.HttpClient.With<E, R> =
  /* @__PURE__ */ within((context) =>
    Context.add(context, FetchHttpClient.RequestInit, {
      ...context.unsafeMap.get(FetchHttpClient.RequestInit.key),
      redirect: "manual",
      cache: "no-store"
    })
  )

/** Deno's fetch sends a request again by itself when the connection closes without an answer, unless its body is a Blob or a stream. */
const fetchingOnce: <E, R>(self: HttpClient.HttpClient.With<E, R>) => HttpClient.HttpClient.With<E, R> =
  /* @__PURE__ */ within((context) => {
    const fetch: typeof globalThis.fetch = context.unsafeMap.get(FetchHttpClient.Fetch.key) ?? globalThis.fetch
    return Context.add(context, FetchHttpClient.Fetch, (input, init) =>
      fetch(
        input,
        init?.body instanceof Uint8Array ? { ...init, body: new Blob([init.body as Uint8Array<ArrayBuffer>]) } : init
      )
    )
  })

/** Sends it, once. */
export const send = (call: Call): Effect.Effect<Answer, Failure, HttpClient.HttpClient> =>
  Effect.gen(function* () {
    // The address as the client's own preprocessing left it: it may have put a gateway before it. Whoever sends decides about
    // other attempts, so a retry policy of the client's own gets no second one.
    let sentTo: string | undefined
    const client = (yield* HttpClient.HttpClient).pipe(
      HttpClient.tapRequest((request): Effect.Effect<void, Repeated> =>
        sentTo === undefined ? Effect.sync(() => void (sentTo = request.url)) : Effect.fail({ _tag: "Repeated" })
      ),
      withoutRedirects,
      fetchingOnce,
      HttpClient.withTracerDisabledWhen(() => true)
    )
    const request = HttpClientRequest.make(call.method)(call.url, {
      headers: { ...call.headers, "accept-encoding": "identity" }
    })
    const response = yield* Effect.catchAll(
      client.execute(
        call.content === undefined ? request : HttpClientRequest.bodyText(request, call.content.body, call.content.type)
      ),
      // A client that takes a status for an error (`filterStatusOk`) has the answer all the same.
      (error) =>
        error._tag === "ResponseError" && error.reason === "StatusCode"
          ? Effect.succeed(error.response)
          : Effect.fail(failureOf(error, sentTo))
    )
    const refuse = (description: string): Failure => ({ _tag: "Refused", description, status: response.status })
    if (originOf(response.request.url) !== originOf(sentTo ?? call.url)) {
      return yield* Effect.fail(refuse("it came from another origin: the HttpClient must not follow redirects"))
    }
    if (response.status < 200 || (response.status >= 300 && response.status < 400)) {
      return yield* Effect.fail(refuse(`status ${response.status}; redirects are never followed`))
    }
    const bytes = yield* read(response, refuse("more than 1 MiB"))
    try {
      const body = new TextDecoder("utf-8", { fatal: true }).decode(bytes)
      return { status: response.status, headers: response.headers, body }
    } catch {
      return yield* Effect.fail(refuse("not UTF-8 text"))
    }
  })

const originOf = (url: string): string => (URL.canParse(url) ? new URL(url).origin : url)

/** The client tried to send it once more by itself. */
interface Repeated {
  readonly _tag: "Repeated"
}

const failureOf = (error: HttpClientError.HttpClientError | Repeated, sentTo?: string): Failure => {
  if (error._tag === "Repeated") return { _tag: "Lost", description: "the first attempt failed" }
  if (error._tag === "ResponseError") return { _tag: "Lost", description: "the answer broke off" }
  if (error.reason !== "Transport") {
    return { _tag: "NotSent", description: "the request could not be made", isPermanent: true }
  }
  // What a client that follows redirects failed to reach proves nothing about where it was before.
  const proof = error.request.url === sentTo ? neverSent(error.cause) : undefined
  return proof === undefined
    ? { _tag: "Lost", description: "the connection was lost" }
    : { _tag: "NotSent", description: proof, isPermanent: proof === "its certificate was not accepted" }
}

const read = (
  response: HttpClientResponse.HttpClientResponse,
  tooLarge: Failure
): Effect.Effect<Uint8Array, Failure> => {
  const chunks: Array<Uint8Array> = []
  let size = 0
  return response.stream.pipe(
    Stream.catchAll((error): Stream.Stream<Uint8Array, Failure> =>
      error.reason === "EmptyBody" ? Stream.empty : Stream.fail(failureOf(error))
    ),
    Stream.runForEach((chunk) => {
      size += chunk.length
      chunks.push(chunk)
      return size > largest ? Effect.fail(tooLarge) : Effect.void
    }),
    Effect.map(() => {
      const bytes = new Uint8Array(size)
      let at = 0
      for (const chunk of chunks) {
        bytes.set(chunk, at)
        at += chunk.length
      }
      return bytes
    })
  )
}
