/** Default calibration text, written for this project (Apache-2.0): prose, dialogue, instructions, numbers, code and lists, a little of each. */
export const CALIBRATION_TEXT = `The ferry left the island a little after six, when the light had just begun to touch the roofs of the harbour. On deck a few passengers stood
with their collars up and watched the water turn from black to grey. The captain, who had made this crossing some nine thousand times, drank his tea and thought
about the price of diesel. By the time they reached the mainland, two trains had already gone, and the third was late because of a fallen tree near the viaduct.

In 1876 the town had 4,312 inhabitants; by 1901 there were 11,870, and the council built a second school, a gasworks and, after a long argument, a library. The
library burned down in 1923. It was rebuilt in brick, with money from a brewery, and still opens at nine every morning except on Sundays and public holidays.

User: How do I remove a coffee stain from a cotton shirt?
Assistant: Rinse the stain with cold water from the back of the fabric as soon as you can. Then rub in a little washing-up liquid, wait five minutes, and rinse
again. If a mark is left, soak the shirt in warm water with a spoonful of white vinegar before you wash it. Don't put it in the dryer until the stain has gone.
User: And if it is already dry?
Assistant: The same steps work, but soak it for half an hour first. Old stains may need two or three rounds.

def moving_average(values, width):
    """Yields the mean of each window of \`width\` numbers."""
    if width < 1:
        raise ValueError("width must be at least 1")
    total = sum(values[:width])
    yield total / width
    for old, new in zip(values, values[width:]):
        total += new - old
        yield total / width

print(list(moving_average([3, 1, 4, 1, 5, 9, 2, 6], 3)))

Photosynthesis takes place in two stages. In the first, light strikes pigments in the thylakoid membranes and drives electrons along a chain of proteins; water is
split, oxygen is released, and the cell stores energy in ATP and NADPH. In the second, the Calvin cycle, that energy fixes carbon dioxide into sugars. Each turn of
the cycle adds one carbon atom, so six turns are needed for a molecule of glucose.

| item      | quantity | price  |
|-----------|---------:|-------:|
| flour     |    2 kg  |  $1.80 |
| olive oil |  500 ml  |  $6.25 |
| yeast     |     7 g  |  $0.40 |
Total: $8.45. Divide the cost by eight loaves, and each loaf costs a little over one dollar and five cents.

Dear Ms. Okafor, thank you for your letter of 14 March. We have looked into the delay and found that the parcel was held at customs because the form named no
sender. It was released yesterday and should reach you by Friday. We are sorry for the trouble, and have refunded the postage. Yours sincerely, J. Lindqvist

SELECT name, COUNT(*) AS orders FROM customers JOIN orders ON orders.customer_id = customers.id WHERE orders.created_at >= '2024-01-01' GROUP BY name
HAVING COUNT(*) > 3 ORDER BY orders DESC LIMIT 10;

"You can't be serious," said Marta. "It's snowing, the shop is shut, and you want to bake a cake?" Her brother shrugged. "We have eggs. We have sugar. We have all
afternoon." She looked at the window, at the white street, at the cat asleep on the radiator, and put the kettle on. "Fine," she said, "but I'm not washing up."

The theorem says that every continuous function on a closed interval attains its maximum. To see why the interval must be closed, consider f(x) = x on (0, 1): its
values come as near to 1 as you like, yet none of them equals 1. Compactness is what rules this out. Let M be the least upper bound of the values; choose points
x_n with f(x_n) > M - 1/n; a subsequence converges to some x in the interval, and by continuity f(x) = M.

1. Preheat the oven to 220 degrees. 2. Cut the potatoes into wedges. 3. Toss them with oil, salt, paprika and garlic. 4. Roast for 35 minutes, turning once.
`;
