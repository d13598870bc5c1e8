/**
 * What counts as an origin in an option.
 *
 * @module
 */
import { endpoint } from "./url.ts"

/** What {@link originOf} accepts, for error messages. */
export const expected = "an origin such as https://api.example.com (http only on localhost), without a path"

/** The origin that a text names, and nothing but the origin; undefined if nothing secret may go there. */
export const originOf = (text: string): string | undefined => {
  const url = endpoint(text)
  return url !== undefined && url.href === `${url.origin}/` ? url.origin : undefined
}
