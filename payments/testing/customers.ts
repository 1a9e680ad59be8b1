/** Customers: https://docs.stripe.com/api/customers */
import type Stripe from 'stripe';
import { type Account, find } from './account.ts';
import { refusal } from './api-error.ts';
import type { Params } from './form-body.ts';
import { LIST_PARAMETERS, page } from './listing.ts';
import { metadata, text } from './parameters.ts';
import { attach, methodById } from './payment-methods.ts';
import type { Route } from './route.ts';

const WRITABLE = ['description', 'email', 'invoice_settings', 'metadata', 'name', 'phone'];
const NOTED = ['description', 'email', 'name', 'phone'] as const;

/** @returns what was there before, of what has changed */
function write(account: Account, customer: Stripe.Customer, params: Params) {
  const before: Record<string, unknown> = {};
  for (const field of NOTED) {
    if (!(field in params)) continue;
    before[field] = customer[field];
    customer[field] = text(params, field);
  }
  if ('metadata' in params) {
    before.metadata = customer.metadata;
    customer.metadata = metadata(params, customer.metadata);
  }
  const path = 'invoice_settings.default_payment_method';
  const id = text(params, path);
  if (id !== null) {
    const method = methodById(account, id, 'invoice_settings[default_payment_method]');
    if (method.customer !== customer.id) {
      const message = `The customer does not have a payment method with the ID ${id}. The payment method must be attached to the customer.`;
      const param = 'invoice_settings[default_payment_method]';
      throw refusal('resource_missing', message, { param });
    }
    before.invoice_settings = structuredClone(customer.invoice_settings);
    customer.invoice_settings.default_payment_method = id;
  }
  return before;
}

const deleted = (id: string) => ({ id, object: 'customer', deleted: true });

export const customerRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/v1/customers',
    takes: [...WRITABLE, 'payment_method'],
    answer({ account, params }) {
      const customer: Stripe.Customer = {
        id: account.newId('cus'),
        object: 'customer',
        address: null,
        balance: 0,
        created: account.nowSeconds(),
        currency: null,
        customer_account: null,
        default_source: null,
        delinquent: false,
        description: null,
        discount: null,
        email: null,
        invoice_prefix: account.newId('').slice(1, 9).toUpperCase(),
        invoice_settings: {
          custom_fields: null,
          default_payment_method: null,
          footer: null,
          rendering_options: null,
        },
        livemode: false,
        metadata: {},
        name: null,
        next_invoice_sequence: 1,
        phone: null,
        preferred_locales: [],
        shipping: null,
        tax_exempt: 'none',
        test_clock: null,
      };
      const method = text(params, 'payment_method');
      if (method !== null) attach(account, methodById(account, method), customer.id);
      write(account, customer, params);
      account.customers.set(customer.id, customer);
      account.emit('customer.created', customer);
      return customer;
    },
  },
  {
    method: 'GET',
    path: '/v1/customers/:id',
    takes: [],
    answer: ({ account, id }) =>
      account.deletedCustomers.has(id) ? deleted(id) : find(account.customers, id, 'customer'),
  },
  {
    method: 'POST',
    path: '/v1/customers/:id',
    takes: WRITABLE,
    answer({ account, id, params }) {
      const customer = find(account.customers, id, 'customer');
      account.emit('customer.updated', customer, write(account, customer, params));
      return customer;
    },
  },
  {
    method: 'DELETE',
    path: '/v1/customers/:id',
    takes: [],
    answer({ account, id }) {
      const customer = find(account.customers, id, 'customer');
      account.customers.delete(id);
      for (const method of account.methods.values()) {
        if (method.customer === id) method.customer = null;
      }
      account.emit('customer.deleted', customer);
      account.deletedCustomers.add(id);
      return deleted(id);
    },
  },
  {
    method: 'GET',
    path: '/v1/customers',
    takes: ['email', ...LIST_PARAMETERS],
    answer({ account, params }) {
      const email = text(params, 'email');
      const fits = (it: Stripe.Customer) => email === null || it.email === email;
      return page('/v1/customers', account.customers.values(), params, fits);
    },
  },
  {
    method: 'GET',
    path: '/v1/customers/:id/payment_methods',
    takes: ['type', ...LIST_PARAMETERS],
    answer({ account, id, params }) {
      find(account.customers, id, 'customer');
      const fits = (it: Stripe.PaymentMethod) => it.customer === id;
      return page(`/v1/customers/${id}/payment_methods`, account.methods.values(), params, fits);
    },
  },
];
