/** A token endpoint and an API without a socket: tokens of 700 characters that live an hour. */

const headers = { "content-type": "application/json" }
let issued = 0

/** Answers a GET with nothing and anything else with a token of its own: for the scope asked for, so it names none. */
export const fetch: typeof globalThis.fetch = async (input, init) =>
  (init?.method ?? (input instanceof Request ? input.method : "GET")) === "GET"
    ? new Response("", { headers })
    : new Response(
        JSON.stringify({
          access_token: `${++issued}-`.padEnd(700, "t"),
          token_type: "Bearer",
          expires_in: 3_600
        }),
        { headers }
      )
