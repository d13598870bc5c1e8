/** A program that begins logins on a second device, against a server on a real socket, and ends each at another moment. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { listen } from "../../../examples/support/listen.ts"
import * as DeviceAuthorization from "../../../src/providers/DeviceAuthorization.ts"

const begun = { start: 0, poll: 0 }

const program = Effect.gen(function* () {
  const issuer = yield* listen((request, response) => {
    if (request.url === "/silent") begun.start++
    else if (request.url === "/token") begun.poll++
    else {
      const codes = { device_code: "c", user_code: "WDJB-MJHT", verification_uri: "https://id.test/", expires_in: 600 }
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(codes))
    }
  })
  const login = (path: string, options: Partial<DeviceAuthorization.Options>) =>
    DeviceAuthorization.make({
      ...options,
      tokenEndpoint: `${issuer}/token`,
      deviceAuthorizationEndpoint: issuer + path,
      clientId: "me"
    } as DeviceAuthorization.Options).acquire({
      previous: Option.none(),
      validFor: Duration.zero,
      interaction: "allowed"
    })
  const until = (happened: () => boolean) =>
    Effect.repeat(Effect.sleep("10 millis"), { until: () => Effect.sync(happened) })

  const starting = yield* Effect.fork(login("/silent", {}))
  yield* until(() => begun.start === 1)
  yield* Fiber.interrupt(starting)

  let isShown = false
  const prompt = (shown: DeviceAuthorization.Login) =>
    Effect.zipRight(
      Effect.sync(() => void (isShown = true)),
      DeviceAuthorization.terminalPrompt()(shown)
    )
  const waiting = yield* Effect.fork(login("/device", { prompt }))
  yield* until(() => isShown)
  yield* Fiber.interrupt(waiting)

  const polling = yield* Effect.fork(login("/device", { prompt: () => Effect.never, pollAtOnce: true }))
  yield* until(() => begun.poll === 1)
  yield* Fiber.interrupt(polling)
})

await Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(FetchHttpClient.layer)))
console.log("finished")
