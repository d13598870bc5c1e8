/**
 * A response that was never on a wire: everything about it is known at once, so reading it takes no turn of the event loop.
 *
 * @module
 */
import * as Cookies from "@effect/platform/Cookies"
import type * as Headers from "@effect/platform/Headers"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type { HttpClientRequest } from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

/** What there is to answer. */
export interface Content {
  readonly status: number
  readonly headers: Headers.Headers
  /** None at all: `undefined`. */
  readonly text: string | undefined
  /** Whether the connection breaks in the middle of the text. */
  readonly isCutOff: boolean
}

export const make = (
  request: HttpClientRequest,
  { headers, isCutOff, status, text }: Content
): HttpClientResponse.HttpClientResponse => {
  const bytes = new TextEncoder().encode(text)
  const refuse = (reason: "Decode" | "EmptyBody", description: string) =>
    new HttpClientError.ResponseError({ request, response, reason, description })
  const broken = () => refuse("Decode", "the connection was closed before the body was complete")
  const whole = <A>(value: () => A, description: string): Effect.Effect<A, HttpClientError.ResponseError> =>
    Effect.suspend(() =>
      isCutOff ? Effect.fail(broken()) : Effect.try({ try: value, catch: () => refuse("Decode", description) })
    )
  const response: HttpClientResponse.HttpClientResponse = {
    ...Inspectable.BaseProto,
    [HttpIncomingMessage.TypeId]: HttpIncomingMessage.TypeId,
    [HttpClientResponse.TypeId]: HttpClientResponse.TypeId,
    toJSON: () => ({ _id: "@effect/platform/HttpClientResponse", request: request.toJSON(), status }),
    request,
    status,
    headers,
    cookies: headers["set-cookie"] === undefined ? Cookies.empty : Cookies.fromSetCookie(headers["set-cookie"]),
    remoteAddress: Option.none(),
    text: whole(() => text ?? "", ""),
    json: whole(() => (text === undefined || text === "" ? null : JSON.parse(text)), "the body is not JSON"),
    urlParamsBody: whole(() => UrlParams.fromInput(new URLSearchParams(text)), ""),
    arrayBuffer: whole(() => bytes.slice().buffer, ""),
    formData: whole(() => {
      throw new Error()
    }, "the body is no form data"),
    stream: Stream.suspend(() =>
      text === undefined
        ? Stream.fail(refuse("EmptyBody", "can not create stream from empty body"))
        : isCutOff
          ? Stream.concat(Stream.make(bytes.subarray(0, bytes.length >> 1)), Stream.fail(broken()))
          : Stream.make(bytes)
    )
  }
  return response
}
