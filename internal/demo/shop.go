package demo

// The shop: orders, refunds, prices, stock.

type product struct {
	id, name string
	price    int // in cents
}

var products = []product{
	{"SKU-1001", "Haircut", 5000}, {"SKU-1002", "Beard trim", 2200}, {"SKU-1003", "Colouring", 8900}, {"SKU-1004", "Shampoo 250 ml", 1290},
	{"SKU-1005", "Gift card", 5000}, {"SKU-1006", "Massage 60 min", 7500}, {"SKU-1007", "Manicure", 3400}, {"SKU-1008", "Hair dryer", 12900},
	{"SKU-1009", "Café crème, 12 Stück", 1850}, {"SKU-1010", "抹茶セット", 4200}, {"SKU-1011", "Оливковое мыло", 990}, {"SKU-1012", "Rosenöl 30 ml", 2790},
}

var refundReasons = []string{"Customer unhappy with colour", "Double charge", "Appointment cancelled by us", "Wrong item sent", "Артикул повреждён при доставке", "返品希望"}

func (g *Generator) sales() *person { return g.cast.sales[g.r.IntN(len(g.cast.sales))] }

// order: placed, paid, perhaps shipped, invoiced, and now and then refunded.
func (g *Generator) order(d *draft, f *flow) bool {
	a := &g.arena
	if f.step == 0 {
		g.orders++
		f.number, f.with, f.staff = g.orders, g.client(g.cast.customers), g.sales()
		f.amount = products[f.number%len(products)].price * (1 + g.r.IntN(3))
	}
	p := products[f.number%len(products)]
	d.source, d.resType, d.resID, d.subject = "shop.web", "order", a.id("ORD", f.number), f.with
	switch f.step {
	case 0:
		d.action, d.actor = "order.create", f.with
		d.data = a.object("items", a.list(a.object("sku", p.id, "name", p.name, "price", a.cents(p.price))), "total", a.cents(f.amount), "currency", "EUR",
			"ship_to", a.object("name", f.with.name, "address", f.with.address, "phone", f.with.phone))
		return true
	case 1:
		d.source, d.action, d.actor = "shop.payments", "payment.execute", f.with
		d.resType, d.resID = "payment", a.id("PAY", f.number)
		d.data = a.object("amount", a.cents(f.amount), "method", "card", "card_last4", g.r.IntN(9000)+1000, "order", d.resID)
		if g.r.IntN(18) == 0 {
			d.status, d.why, d.severity = "failure", "card declined", "low"
			return false
		}
		return true
	case 2:
		g.invoices++
		d.source, d.action, d.actor = "shop.backoffice", "invoice.create", g.cast.billing
		d.resType, d.resID = "invoice", a.id("INV", g.invoices)
		d.data = a.object("total", a.cents(f.amount), "vat", a.cents(f.amount*23/123), "customer", f.with.name, "email", f.with.email)
		return g.r.IntN(3) > 0
	case 3:
		d.source, d.action, d.actor = "shop.backoffice", "order.update", f.staff
		d.alter("/status", a.str("paid"), a.str("shipped"))
		d.alter("/tracking", raw("null"), a.str(a.id("DHL", g.r.IntN(1<<30))))
		return g.r.IntN(12) == 0
	default:
		d.source, d.action, d.actor = "shop.backoffice", "order.refund", f.staff
		d.reason = pick(g.r, refundReasons)
		d.alter("/refunded", raw("0.00"), a.cents(f.amount))
		if g.r.IntN(10) == 0 {
			d.status, d.why = "denied", "above the refund limit of the role"
		}
		return false
	}
}

// price: managers change prices, by a little.
func (g *Generator) price(d *draft, f *flow) bool {
	a := &g.arena
	p := products[g.r.IntN(len(products))]
	d.source, d.actor = "shop.backoffice", g.cast.managers[g.r.IntN(len(g.cast.managers))]
	d.resType, d.resID, d.resName = "product", p.id, p.name
	if g.r.IntN(3) > 0 {
		d.action = "product.read"
		return false
	}
	d.action, d.reason = "price.update", "Seasonal price list"
	d.alter("/price", a.cents(p.price), a.cents(p.price*(95+g.r.IntN(11))/100))
	return false
}

// stock: the warehouse counts through an API key.
func (g *Generator) stock(d *draft, f *flow) bool {
	a := &g.arena
	p := products[g.r.IntN(len(products))]
	d.source, d.action, d.actor, d.session = "shop.warehouse", "stock.update", g.cast.apiKey, false
	d.resType, d.resID, d.resName = "product", p.id, p.name
	n := g.r.IntN(300)
	d.alter("/stock", a.int(n), a.int(max(0, n-1-g.r.IntN(20))))
	d.data = a.object("warehouse", "LIS-2", "batch", g.r.IntN(100000), "cold_chain", false)
	return g.r.IntN(3) == 0
}
