/** An HttpClient that is a function of the request, without sockets: for tests, friendly to virtual time. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** A request as the server saw it. */
export interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** The body as it came. */
  readonly text: string
  /** The body read as a form. */
  readonly form: URLSearchParams
  /** The clock's milliseconds. */
  readonly at: number
}

/** What the server does with a request. */
export type Answer =
  | {
      /** Default: 200. */
      readonly status?: number
      readonly headers?: Readonly<Record<string, string>>
      /** The body as JSON, with the content type to match. */
      readonly json?: unknown
      /** The body as it is. Default: empty. */
      readonly body?: string | Uint8Array
      /** How long it takes. Default: no time. */
      readonly delay?: Duration.DurationInput
    }
  /** No answer: the platform's error has this cause. */
  | { readonly lost: Error; readonly delay?: Duration.DurationInput }
  /** Nothing ever comes. */
  | "never"

/** A server that remembers what it saw. */
export interface FakeServer {
  readonly seen: ReadonlyArray<Seen>
  readonly client: HttpClient.HttpClient
  readonly layer: Layer.Layer<HttpClient.HttpClient>
}

/** `nth` counts from 1. A request that is answered with undefined was not expected: it fails the test. */
export const make = (answer: (seen: Seen, nth: number) => Answer | undefined): FakeServer => {
  const seen: Array<Seen> = []
  const client = HttpClient.make((request, url) =>
    Effect.clockWith((clock) => {
      const text = request.body._tag === "Uint8Array" ? new TextDecoder().decode(request.body.body) : ""
      const saw: Seen = {
        method: request.method,
        url: url.href,
        headers: { ...request.headers },
        text,
        form: new URLSearchParams(text),
        at: clock.unsafeCurrentTimeMillis()
      }
      seen.push(saw)
      const said = answer(saw, seen.length)
      if (said === undefined)
        return Effect.dieMessage(`nobody answers ${saw.method} ${saw.url}, request ${seen.length}`)
      if (said === "never") return Effect.never
      const outcome =
        "lost" in said
          ? Effect.fail(new HttpClientError.RequestError({ request, reason: "Transport", cause: said.lost }))
          : Effect.sync(() =>
              HttpClientResponse.fromWeb(
                request,
                new Response(("json" in said ? JSON.stringify(said.json) : (said.body ?? null)) as BodyInit | null, {
                  status: said.status ?? 200,
                  headers: { ...("json" in said ? { "content-type": "application/json" } : {}), ...said.headers }
                })
              )
            )
      return said.delay === undefined ? outcome : Effect.delay(outcome, said.delay)
    })
  )
  return { seen, client, layer: Layer.succeed(HttpClient.HttpClient, client) }
}
