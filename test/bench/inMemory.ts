/** A token endpoint and an API without a socket: tokens of 700 characters that live an hour. */

const headers = new Headers({ "content-type": "application/json" })
let issued = 0

/** No more of an answer than clients look at: the real thing takes longer to make than most of what is measured. */
const empty = () =>
  ({ status: 200, ok: true, headers, body: null, text: async () => "", json: async () => ({}) }) as unknown as Response

/** Answers a GET with nothing and anything else with a token of its own: for the scope asked for, so it names none. */
export const fetch: typeof globalThis.fetch = async (input, init) =>
  (init?.method ?? (input instanceof Request ? input.method : "GET")) === "GET"
    ? empty()
    : Response.json({ access_token: `${++issued}-`.padEnd(700, "t"), token_type: "Bearer", expires_in: 3_600 })
